# SPDX-License-Identifier: GPL-2.0-only
"""--mode lifetime where many processes end with many objects: the kernel's room is for those that are alive."""
import lifetime
import live

ENDED = "lifetime_ended.py"
PROCESSES, AT_ONCE = 40, 4
ROOM = "16k"  # of 60,000 that the children make, and keep 40,000 of


class LifetimeEndedTest(lifetime.LifetimeTest):
    @live.alone
    def test_of_a_command(self):
        python = live.host_python()
        script = self.script(python, ENDED)
        run = self.run_pybpfprof("--mode", "lifetime", "-f", "json", "--max-blocks", ROOM, "--",
                                 *python.command("-B", script, PROCESSES, AT_ONCE))
        found = self.lifetime_of(run)
        self.assertEqual(found.report["lost"]["total"], 0, found.report["lost"])
        for name, made, kept in (("Parents", 3000, 2000),
                                 ("Childs", 1500 * PROCESSES, 1000 * PROCESSES)):
            # Of a child that has ended before its class was read, only the class's name is known.
            rows = found.rows(name)
            self.assertLessEqual({row["module"] for row in rows}, {"__main__", None})
            self.assertEqual([sum(row[key] for row in rows)
                              for key in ("created", "destroyed", "live")],
                             [made, made - kept, kept], name)
            self.assertEqual(sum(site["live"] for row in rows for site in row["sites"]), kept, name)
