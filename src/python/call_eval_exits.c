// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ways out of the evaluation function: from the stores that unlink the frame, and the check on the
 * graph that with the ways in they see every call once.
 *
 * Where an exit's own site no longer has the frame in a register, the exits are seen earlier: at the
 * branches behind which nothing but leaving can happen.
 */
#include <errno.h>
#include <string.h>

#include "python/call_eval_function.h"

/* Whether behind the store the function does nothing but return. */
static int leads_out(const struct eval *eval, uint32_t node, bool *out)
{
	struct graph_set behind;
	bool returns = false, stays = false;
	int err = graph_set_init(&behind, eval->graph);

	if (err)
		return err;
	if (eval_node(eval, node)->next != GRAPH_NONE)
		graph_reach(eval->graph, eval_node(eval, node)->next, NULL, &behind);
	for (uint32_t i = 0; i < graph_count(eval->graph); i++) {
		if (!graph_set_has(&behind, i))
			continue;
		returns |= (eval_node(eval, i)->flags & GRAPH_RETURN) != 0;
		stays |= (eval_node(eval, i)->flags & GRAPH_INDIRECT) != 0;
	}
	graph_set_release(&behind);
	*out = returns && !stays;
	return 0;
}

static int exit_keep(struct eval *eval, uint32_t store, uint8_t frame, uint16_t kept)
{
	struct eval_exit *exit = &eval->exits[eval->exit_count];
	bool is_exit;
	int err = leads_out(eval, store, &is_exit);

	if (err || !is_exit)
		return err;
	if (eval->exit_count == EVAL_EXITS_MAX)
		return -E2BIG;
	exit->node = store;
	exit->site = eval_emulated_behind(eval, store, &kept);
	exit->frame = kept >> frame & 1 ? frame : ABI_NO_REGISTER;
	eval->exit_count++;
	return 0;
}

/* From a load of f_back along its line to the store of what it loaded. */
static int exit_follow(struct eval *eval, uint32_t load, uint8_t loaded, uint8_t frame)
{
	uint16_t kept = 0xffff & ~eval_node(eval, load)->writes;
	uint32_t node = eval_node(eval, load)->next;

	for (int i = 0; i < EVAL_LINE_NODES_MAX && node != GRAPH_NONE; i++) {
		struct eval_instruction instruction;
		uint8_t stored, base;

		if (!eval_instruction_at(eval, node, &instruction))
			break;
		if (eval_is_store(&instruction, eval->layout->tstate_frame, &stored, &base) &&
		    stored == loaded)
			return exit_keep(eval, node, frame, kept);
		kept &= ~eval_node(eval, node)->writes;
		if (eval_node(eval, node)->writes >> loaded & 1)
			break;
		node = eval_node(eval, node)->next;
	}
	return 0;
}

static int exits_find(struct eval *eval)
{
	int err = 0;

	for (uint32_t i = 0; i < graph_count(eval->graph) && !err; i++) {
		struct eval_instruction instruction;
		uint8_t loaded, frame;

		if (eval_instruction_at(eval, i, &instruction) &&
		    eval_is_load(&instruction, eval->layout->frame_back, &loaded, &frame))
			err = exit_follow(eval, i, loaded, frame);
	}
	if (err == -E2BIG)
		return eval_refuse(eval, "its evaluation function has too many exits");
	if (!err && !eval->exit_count)
		return eval_refuse(eval,
				   "where its evaluation function unlinks a frame was not found");
	return err;
}

/* ---- that this is all ---- */

/* The parts of the function, by what runs in them. */
struct parts {
	struct graph_set refused; /* before a frame is linked: on to an early way out, maybe */
	struct graph_set opcodes; /* what the handlers lead to, up to the unlinking */
	struct graph_set linked;  /* that, and what the ways in lead to */
	struct graph_set stays;	  /* of all: the parts from which another opcode may be run */
	struct graph_set cut;
	struct graph_set scratch;
};

static void parts_release(struct parts *parts)
{
	graph_set_release(&parts->refused);
	graph_set_release(&parts->opcodes);
	graph_set_release(&parts->linked);
	graph_set_release(&parts->stays);
	graph_set_release(&parts->cut);
	graph_set_release(&parts->scratch);
}

static void reach_from_opcodes(struct eval *eval, const struct parts *parts,
			       const struct graph_set *cut, struct graph_set *out)
{
	for (size_t i = 1; i < eval->root_count; i++) {
		uint32_t root = graph_find(eval->graph, eval->roots[i]);

		/* The way out for a call that is refused may lie behind a jump, too. */
		if (!graph_set_has(&parts->refused, root))
			graph_reach(eval->graph, root, cut, out);
	}
}

static void reach_from_links(const struct eval *eval, const struct graph_set *cut,
			     struct graph_set *out)
{
	for (size_t i = 0; i < eval->link_count; i++)
		graph_reach(eval->graph, eval->links[i].node, cut, out);
}

static void parts_find(struct eval *eval, struct parts *parts)
{
	for (size_t i = 0; i < eval->link_count; i++)
		graph_set_add(&parts->cut, eval->links[i].node);
	graph_reach(eval->graph, graph_find(eval->graph, eval->function.address), &parts->cut,
		    &parts->refused);
	graph_set_clear(&parts->cut);
	for (size_t i = 0; i < eval->exit_count; i++)
		graph_set_add(&parts->cut, eval->exits[i].node);
	reach_from_opcodes(eval, parts, &parts->cut, &parts->opcodes);
	graph_set_copy(&parts->linked, &parts->opcodes);
	reach_from_links(eval, &parts->cut, &parts->linked);
	for (uint32_t i = 0; i < graph_count(eval->graph); i++) {
		if (eval_node(eval, i)->flags & GRAPH_INDIRECT)
			graph_reach_back(eval->graph, i, &parts->cut, &parts->stays);
	}
}

static int parts_init(struct eval *eval, struct parts *parts)
{
	struct graph_set *const sets[] = { &parts->refused, &parts->opcodes, &parts->linked,
					   &parts->stays,   &parts->cut,     &parts->scratch };
	int err = 0;

	memset(parts, 0, sizeof(*parts));
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]) && !err; i++)
		err = graph_set_init(sets[i], eval->graph);
	if (!err)
		parts_find(eval, parts);
	return err;
}

/* Before a frame is linked no opcode is run; sites of entering are passed then only. */
static int links_check(struct eval *eval, const struct parts *parts)
{
	for (uint32_t i = 0; i < graph_count(eval->graph); i++) {
		if (graph_set_has(&parts->refused, i) && eval_node(eval, i)->flags & GRAPH_INDIRECT)
			return eval_refuse(eval,
					   "its evaluation function runs code in a frame that "
					   "is not seen being linked");
	}
	for (size_t i = 0; i < eval->link_count; i++) {
		uint32_t site = eval->links[i].site;

		if (site == GRAPH_NONE)
			return eval_refuse(eval, "no instruction behind the linking of a frame can "
						 "be probed at a bearable price");
		if (graph_set_has(&parts->refused, site) || graph_set_has(&parts->opcodes, site))
			return eval_refuse(eval, "the way into its evaluation function is shared "
						 "with other code");
	}
	return 0;
}

/* While it is linked nothing returns, and no site of leaving is passed. */
static int exits_check(struct eval *eval, const struct parts *parts)
{
	for (uint32_t i = 0; i < graph_count(eval->graph); i++) {
		if (graph_set_has(&parts->linked, i) && eval_node(eval, i)->flags & GRAPH_RETURN)
			return eval_refuse(eval,
					   "its evaluation function has an exit that is not "
					   "understood, to 0x%llx",
					   (unsigned long long)eval_node(eval, i)->address);
	}
	for (size_t i = 0; i < eval->exit_count; i++) {
		uint32_t site = eval->exits[i].site;

		if (site == GRAPH_NONE)
			return eval_refuse(eval, "no instruction behind the unlinking of a frame "
						 "can be probed at a bearable price");
		if (graph_set_has(&parts->linked, site) || graph_set_has(&parts->refused, site))
			return eval_refuse(eval, "a way out of its evaluation function is shared "
						 "with other code");
	}
	return 0;
}

/* ---- leaving seen earlier ---- */

/* From here on, the frame is left whatever happens. */
static bool is_leaving(const struct parts *parts, uint32_t node)
{
	return node != GRAPH_NONE && graph_set_has(&parts->linked, node) &&
	       !graph_set_has(&parts->stays, node);
}

/* The first emulated instruction on the line from where leaving has begun. */
static int leave_add(struct eval *eval, const struct parts *parts, uint32_t node)
{
	for (int i = 0; i < EVAL_LINE_NODES_MAX; i++) {
		if (!is_leaving(parts, node))
			return -ENOENT; /* unlinked already, without such an instruction */
		if (eval_node(eval, node)->flags & GRAPH_EMULATED)
			break;
		node = eval_node(eval, node)->next;
	}
	if (!(eval_node(eval, node)->flags & GRAPH_EMULATED) ||
	    graph_set_has(&parts->refused, node))
		return -ENOENT;
	for (size_t i = 0; i < eval->leave_count; i++) {
		if (eval->leaves[i] == node)
			return 0;
	}
	if (eval->leave_count == EVAL_LEAVES_MAX)
		return -ENOENT;
	eval->leaves[eval->leave_count++] = node;
	return 0;
}

static int leaves_collect(struct eval *eval, const struct parts *parts)
{
	int err = 0;

	for (size_t i = 1; i < eval->root_count && !err; i++) {
		uint32_t root = graph_find(eval->graph, eval->roots[i]);

		if (is_leaving(parts, root))
			err = leave_add(eval, parts, root);
	}
	for (uint32_t i = 0; i < graph_count(eval->graph) && !err; i++) {
		const struct graph_node *node = eval_node(eval, i);

		if (!graph_set_has(&parts->linked, i) || !graph_set_has(&parts->stays, i))
			continue;
		if (is_leaving(parts, node->next))
			err = leave_add(eval, parts, node->next);
		if (!err && is_leaving(parts, node->branch))
			err = leave_add(eval, parts, node->branch);
	}
	return err;
}

static void leaves_set(const struct eval *eval, size_t but, struct graph_set *out)
{
	graph_set_clear(out);
	for (size_t i = 0; i < eval->leave_count; i++) {
		if (i != but)
			graph_set_add(out, eval->leaves[i]);
	}
}

/* What is passed behind one of them, up to `cut`. */
static void reach_behind(const struct eval *eval, uint32_t node, const struct graph_set *cut,
			 struct graph_set *out)
{
	graph_set_clear(out);
	if (eval_node(eval, node)->next != GRAPH_NONE)
		graph_reach(eval->graph, eval_node(eval, node)->next, cut, out);
	if (eval_node(eval, node)->branch != GRAPH_NONE)
		graph_reach(eval->graph, eval_node(eval, node)->branch, cut, out);
}

static bool has_exit(const struct eval *eval, const struct graph_set *set)
{
	for (size_t i = 0; i < eval->exit_count; i++) {
		if (graph_set_has(set, eval->exits[i].node))
			return true;
	}
	return false;
}

/* One behind which another is always passed is not needed. */
static void leaves_thin(struct eval *eval, struct parts *parts)
{
	for (size_t i = 0; i < eval->leave_count;) {
		leaves_set(eval, i, &parts->cut);
		reach_behind(eval, eval->leaves[i], &parts->cut, &parts->scratch);
		if (has_exit(eval, &parts->scratch)) {
			i++;
			continue;
		}
		eval->leaves[i] = eval->leaves[--eval->leave_count];
		i = 0;
	}
}

/*
 * Whether each way out passes one. A way that passes two (a trace function failed) leaves the same
 * frame twice, of which the second time counts for nothing.
 */
static bool leaves_are_all(struct eval *eval, struct parts *parts)
{
	leaves_set(eval, eval->leave_count, &parts->cut);
	graph_set_clear(&parts->scratch);
	reach_from_opcodes(eval, parts, &parts->cut, &parts->scratch);
	reach_from_links(eval, &parts->cut, &parts->scratch);
	return eval->leave_count && !has_exit(eval, &parts->scratch);
}

/* Without them the exits' own sites are what there is. */
static void leaves_find(struct eval *eval, struct parts *parts)
{
	bool lost = false;

	for (size_t i = 0; i < eval->exit_count; i++)
		lost |= eval->exits[i].frame == ABI_NO_REGISTER;
	if (!lost)
		return;
	if (leaves_collect(eval, parts)) {
		eval->leave_count = 0;
		return;
	}
	leaves_thin(eval, parts);
	if (!leaves_are_all(eval, parts))
		eval->leave_count = 0;
}

int eval_exits_find(struct eval *eval)
{
	struct parts parts = { 0 };
	int err = exits_find(eval);

	if (!err)
		err = parts_init(eval, &parts);
	if (!err)
		err = links_check(eval, &parts);
	if (!err)
		err = exits_check(eval, &parts);
	if (!err)
		leaves_find(eval, &parts);
	parts_release(&parts);
	return err;
}
