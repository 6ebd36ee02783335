// Package calm makes the donor's InnoDB write its dirty pages before the lock of a state transfer instead of inside it. A server
// that is asked to hold still first writes every page it has changed in memory, and its clients wait for that (consistency.md 1.1
// step f). With an SQL account the same work is done a moment earlier, while clients go on.
//
// What [Calm.Quiet] does: it sets innodb_max_dirty_pages_pct and its _lwm twin to 0, so that the server keeps no pages back;
// where the server has innodb_log_checkpoint_now it orders checkpoints for as long as each leaves clearly fewer pages than the one
// before; and it looks for statements that the lock would have to wait for. [Calm.Restore] undoes the settings.
//
// The account needs these rights, and no others (tried on MariaDB 10.11: none of the finer privileges replaces SUPER here; without
// PROCESS the server shows no statements of other accounts, and nothing is waited for):
//
//	GRANT SUPER, PROCESS ON *.* TO 'sst'@'localhost';
//
// What is guaranteed: the settings are only changed while a guard lives, a second process of ours in a session of its own, that
// knows the old values. When the first process dies, however it dies, the guard's pipe closes and it puts them back; see [Guard].
// A setting that somebody else has changed in the meantime stays as it is. Nothing is written to disk, passwords travel on a pipe
// only, and statement texts of clients reach no message.
//
// What is not guaranteed: few dirty pages. A server whose clients change pages faster than its disk takes them has many, and
// after the last checkpoint their number rises again: the sooner the lock follows, the better. Where innodb_log_checkpoint_now is
// missing the server's own pace, innodb_io_capacity, is all there is (200 pages a second by default; a busy server then hardly gets
// calmer). Nor do the settings come back when the guard is killed together with its parent, or cannot reach the server any more;
// they end with the server's process in any case.
//
// Goroutines: Quiet starts one for a checkpoint and waits for it, apart from those of the SQL driver, which end in Close.
package calm
