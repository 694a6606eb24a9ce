// The root process: binds the sockets, starts the others without privileges, watches them, talks to
// systemd and to `rempart`.
//
// DIAGNOSTICS: logs the start, end and killing of each child, reloads and what is weaker than it
// should be. A child's fault or bad frame never ends it. Exit codes:
// - 0: ended by SIGTERM or SIGINT.
// - 1: cannot start, and another try may do (a port that is taken, a full disk).
// - 78: cannot start before somebody has mended something (settings, users, what a container was
// given).
// - 2: the command line is wrong.
//
// Before 1 and 78 goes one `daemonFailed` record that says what to do, and in a container a pause.
internal import Glibc
internal import Journal
internal import Reactor
internal import Spawning

StandardError.stopWaiting()
do {
    let options = try Options(CommandLine.arguments.dropFirst())
    do {
        exit(try Supervisor(options).run())
    } catch {
        // Before the record: who reads it may end the process at once.
        let end = options.isContainer ? try? Signals([SIGTERM, SIGINT]) : nil
        Journal(options.log, socket: nil).write(.daemonFailed, .critical, "cannot start: \(error)")
        if let end { ContainerNeeds.wait(until: end) }
        exit(error.exitCode)
    }
} catch {
    Journal(error.log, socket: nil).write(.daemonFailed, .critical, error.message)
    exit(2)
}
