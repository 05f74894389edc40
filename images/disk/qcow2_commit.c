/* SPDX-License-Identifier: Apache-2.0
 *
 * Theory of operation: what may reach the disk before what.
 *
 * Between two syncs the host may make our writes durable in any order, or lose any of them. An
 * image stays sound through every crash when these hold for what is durable:
 *
 *   1. A cluster's refcount is at least the number of references to it. (Too high is a leak.)
 *   2. An L2 entry refers to a cluster only when the cluster holds what the guest may see: new
 * data, and around it what was copied from elsewhere, which may have been safe on disk for years.
 *   3. An L1 entry refers to an L2 table only when the table is one: zeroes, or the copy it began
 * as.
 *   4. A cluster gets another use only when nothing durable refers to it in its former one.
 *
 * So changes of L1 and L2 are made in memory only, and everything they rely on is written before
 * the commit that writes them: guest data and copies at once, new tables at once, refcounts when
 * the commit begins. The commit then is
 *
 *   stage     write the changed refcounts; freeze which L1 and L2 changes belong to this commit
 *   (sync)    now 1, 2 and 3 hold for all frozen changes
 *   link      write the frozen L1 and L2 changes
 *   (sync)    the guest's writes are reachable: the flush is done
 *   release   lower the refcounts of what those changes ceased to refer to; from here on it is free
 *
 * Lowered refcounts are written by a later commit or when the image is closed; losing them leaks. A
 * flush with nothing new to link is one sync. A commit is also made when changes fill the cache, or
 * too much is waiting to be freed. Changes made while a commit is in progress (its syncs may be
 * asynchronous) belong to the next one: the cache keeps the frozen content of a slice that changes.
 *
 * kill -9 between flushes loses the changes in memory, never the order. Guest writes into clusters
 * that are the image's own go straight to the file and need none of this.
 *
 * Two rare things are made durable on the spot: new refcount blocks, before the table refers to
 * them, and moved tables, before the header does (qcow2_refcount.c, qcow2_grow.c).
 */
#include <errno.h>

#include "base/util.h"
#include "images/disk/qcow2.h"

enum {
	MAX_UNREFS = 65536, /* runs that wait to be freed before a commit is forced */
	MAX_L1_CHANGES = 4096,
};

int qcow2_stage(struct node *node)
{
	struct qcow2 *q = qcow2_of(node);
	struct unref_list empty = q->linking_unrefs;
	int r = cache_write(&q->refblocks, q->host);

	if (r < 0)
		return r;
	assert(!empty.n);
	cache_freeze(&q->l2);
	q->linking_l1_changes = q->nl1_changes;
	q->linking_unrefs = q->unrefs;
	q->unrefs = empty;
	return 0;
}

static int write_l1_changes(struct qcow2 *q)
{
	for (size_t i = 0; i < q->linking_l1_changes; i++) {
		uint8_t raw[8];
		int r;

		put_be64(raw, q->l1_changes[i].entry);
		r = host_write(q->host, raw, sizeof(raw),
			       q->h.l1_off + q->l1_changes[i].index * sizeof(raw));
		if (r < 0)
			return r;
	}
	return q->linking_l1_changes > 0;
}

/* The commit failed: what it had waits for the next one. */
static void unfreeze(struct qcow2 *q)
{
	for (size_t i = 0; i < q->linking_unrefs.n; i++)
		qcow2_unref(q, q->linking_unrefs.runs[i].cluster, q->linking_unrefs.runs[i].n);
	q->linking_unrefs.n = 0;
	q->linking_l1_changes = 0;
}

int qcow2_link(struct node *node)
{
	struct qcow2 *q = qcow2_of(node);
	int l1 = write_l1_changes(q);
	int l2 = cache_thaw(&q->l2, l1 < 0 ? NULL : q->host);

	if (l1 < 0 || l2 < 0) {
		unfreeze(q);
		return l1 < 0 ? l1 : l2;
	}
	return l1 || l2;
}

void qcow2_release(struct node *node)
{
	struct qcow2 *q = qcow2_of(node);

	q->nl1_changes -= q->linking_l1_changes;
	if (q->nl1_changes)
		memmove(q->l1_changes, q->l1_changes + q->linking_l1_changes,
			q->nl1_changes * sizeof(*q->l1_changes));
	q->linking_l1_changes = 0;
	for (size_t i = 0; i < q->linking_unrefs.n; i++)
		qcow2_release_run(q, &q->linking_unrefs.runs[i]);
	q->linking_unrefs.n = 0;
}

int qcow2_begin_change(struct qcow2 *q)
{
	if (q->corrupt)
		return -EIO;
	/* A quarter of the cache stays clean, for what is read meanwhile. */
	if (q->l2.busy > q->l2.limit / 4 * 3 || q->unrefs.n > MAX_UNREFS ||
	    q->nl1_changes > MAX_L1_CHANGES)
		return node_flush(q->node);
	return 0;
}

int qcow2_mark_corrupt(struct qcow2 *q)
{
	uint8_t raw[8];

	q->corrupt = true;
	q->h.incompatible |= QCOW2_INCOMPAT_CORRUPT;
	put_be64(raw, q->h.incompatible);
	/* Best effort: what matters is that this process stops writing. */
	if (q->h.version >= 3 && q->node->writable)
		(void)host_write(q->host, raw, sizeof(raw), QCOW2_AT_INCOMPATIBLE);
	return -EIO;
}
