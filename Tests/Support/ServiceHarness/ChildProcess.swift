internal import Foundation
internal import Glibc
package import Sys

/// A child as a process of its own, with the test as its supervisor.
package final class ChildProcess {
    /// The supervisor's end of its link.
    package let end: SupervisorEnd
    /// What it writes to standard error.
    package let errors: Descriptor
    package private(set) var pid: Int32 = 0

    /// Starts a program that stands beside the test's own, under a name of its own.
    package init(_ program: String, named name: String? = nil) throws {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let folder = URL(fileURLWithPath: own).deletingLastPathComponent().path
        let (mine, its) = try Socket.seqpacketPair()
        end = SupervisorEnd(mine)
        let pipe = try Stream.pipe()
        errors = pipe.reading
        var actions = unsafe posix_spawn_file_actions_t()
        _ = unsafe posix_spawn_file_actions_init(&actions)
        _ = unsafe posix_spawn_file_actions_adddup2(&actions, pipe.writing.raw, 2)
        _ = unsafe posix_spawn_file_actions_adddup2(&actions, its.raw, 3)
        var arguments = unsafe [strdup("\(folder)/\(name ?? program)"), nil]
        let code = unsafe posix_spawn(
            &pid, "\(folder)/\(program)", &actions, nil, &arguments, nil)
        unsafe arguments.forEach { unsafe free($0) }
        _ = unsafe posix_spawn_file_actions_destroy(&actions)
        guard code == 0 else { throw SystemError("posix_spawn \(program)", code: code) }
    }

    deinit {
        guard pid > 0 else { return }
        kill(pid, SIGKILL)
        _ = waitpid(pid, nil, 0)
    }

    /// Allows it so many descriptors from now on.
    package func limit(descriptors count: Int) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/prlimit")
        process.arguments = ["--pid", "\(pid)", "--nofile=\(count):"]
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw SystemError("prlimit", code: 0) }
    }

    /// The code that it ends with; nil when it does not within 30 s, or not by itself.
    package func exitCode() throws -> Int32? {
        guard try end.hearsEnd() else { return nil }
        var status: Int32 = 0
        _ = unsafe waitpid(pid, &status, 0)
        pid = 0
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : nil
    }
}
