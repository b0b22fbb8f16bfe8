# SPDX-License-Identifier: GPL-2.0-only
"""Prints a pprof file, after checking what every reader relies on: pprof_read.py FILE, or only how
much is in it: pprof_read.py FILE sums.

Knows Protocol Buffers from their specification and the messages from pprof's, nothing from us.
"""
import gzip
import sys

# Field: (name, what it is): i number, m message, s string of the table, b bytes; * repeated.
VALUE_TYPE = {1: ("type", "s"), 2: ("unit", "s")}
LABEL = {1: ("key", "s"), 2: ("str", "s"), 3: ("num", "i"), 4: ("num_unit", "s")}
LINE = {1: ("function_id", "i"), 2: ("line", "i")}
PROFILE = {
    1: ("sample_type", "m*", VALUE_TYPE),
    2: ("sample", "m*", {1: ("location_id", "i*"), 2: ("value", "i*"), 3: ("label", "m*", LABEL)}),
    3: ("mapping", "m*", {1: ("id", "i"), 2: ("memory_start", "i"), 3: ("memory_limit", "i"),
                          4: ("file_offset", "i"), 5: ("filename", "s"), 6: ("build_id", "s"),
                          7: ("has_functions", "i"), 8: ("has_filenames", "i"),
                          9: ("has_line_numbers", "i"), 10: ("has_inline_frames", "i")}),
    4: ("location", "m*", {1: ("id", "i"), 2: ("mapping_id", "i"), 3: ("address", "i"),
                           4: ("line", "m*", LINE), 5: ("is_folded", "i")}),
    5: ("function", "m*", {1: ("id", "i"), 2: ("name", "s"), 3: ("system_name", "s"),
                           4: ("filename", "s"), 5: ("start_line", "i")}),
    6: ("string_table", "b*"),
    7: ("drop_frames", "s"), 8: ("keep_frames", "s"), 9: ("time_nanos", "i"),
    10: ("duration_nanos", "i"), 11: ("period_type", "m", VALUE_TYPE), 12: ("period", "i"),
    13: ("comment", "s*"), 14: ("default_sample_type", "s"),
}


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        else:
            assert tag & 7 == 2, "wire type %d" % (tag & 7)
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
            assert len(value) == length, "cut off"
        yield tag >> 3, value


def read(data, schema):
    message = {name: [] if "*" in kind else {} if kind == "m" else 0
               for name, kind, *_ in schema.values()}
    for number, value in fields(data):
        name, kind, *inner = schema[number]
        if kind[0] == "m":
            value = read(value, inner[0])
        elif kind[0] in "is" and isinstance(value, bytes):
            assert "*" in kind, name  # packed
            at = 0
            while at < len(value):
                element, at = varint(value, at)
                message[name].append(element)
            continue
        if "*" in kind:
            message[name].append(value)
        else:
            message[name] = value
    return message


def named(message, schema, strings):
    """Indexes into the string table become the strings."""
    for name, kind, *inner in schema.values():
        if kind[0] == "s":
            value = message[name]
            message[name] = [strings[i] for i in value] if "*" in kind else strings[value]
        elif kind[0] == "m":
            for part in message[name] if "*" in kind else [message[name]]:
                if part:
                    named(part, inner[0], strings)


def by_id(messages):
    found = {message["id"]: message for message in messages}
    assert len(found) == len(messages) and 0 not in found, "ids"
    return found


def main():
    with gzip.open(sys.argv[1]) as stream:
        profile = read(stream.read(), PROFILE)
    strings = [text.decode() for text in profile["string_table"]]
    assert strings[0] == "" and len(set(strings)) == len(strings), "string table"
    named(profile, PROFILE, strings)
    functions, locations, mappings = (by_id(profile[name])
                                      for name in ("function", "location", "mapping"))

    def frame(location_id):
        location = locations[location_id]
        (line,) = location["line"]
        function = functions[line["function_id"]]
        mapping = mappings[location["mapping_id"]]
        assert not function["system_name"] and not location["address"]
        assert mapping["has_functions"] and mapping["has_filenames"]
        return "%s (%s:%d from %d) in %s" % (function["name"], function["filename"], line["line"],
                                             function["start_line"], mapping["filename"])

    types = profile["sample_type"]
    if sys.argv[2:] == ["sums"]:
        frames = {frame(location_id) for location_id in locations}
        print("%d samples, %d functions, %d places" %
              (len(profile["sample"]), len(functions), len(frames)),
              *map(sum, zip(*(sample["value"] for sample in profile["sample"]))))
        return
    print("types", *("%(type)s/%(unit)s" % kind for kind in types))
    print("period %d" % profile["period"], "%(type)s/%(unit)s" % profile["period_type"])
    print("default", profile["default_sample_type"])
    print("time", profile["time_nanos"], profile["duration_nanos"])
    print("program", profile["mapping"][0]["filename"])
    for sample in profile["sample"]:
        assert len(sample["value"]) == len(types), "values"
        labels = ["%s=%s" % (label["key"], label["str"] or label["num"])
                  for label in sample["label"]]
        print("sample", *sample["value"], *labels)
        for location_id in sample["location_id"]:
            print("   ", frame(location_id))
    used = {location_id for sample in profile["sample"] for location_id in sample["location_id"]}
    assert used == set(locations), "locations that nobody is at"
    for comment in profile["comment"]:
        print("comment", comment)


main()
