internal import CLinux
package import Journal
package import Messages
package import Sys

/// What a child gives up for good once it has initialised itself.
///
/// DIAGNOSTICS: a kernel without Landlock is one `degraded` record. A refused system call ends the
/// process with SIGSYS, after a line on standard error that names the call's number.
package enum Confinement {
    /// A part of the file system that stays in reach; what does not exist is passed over.
    package enum Path {
        /// A file or folder that may be read.
        case reading(String)
        /// A file, or a folder in which files may be read, written, made and removed.
        case writing(String)

        /// A folder handed over as a descriptor, to be read and written below.
        package static func writing(_ folder: Descriptor) -> Path {
            .writing("/proc/self/fd/\(folder.raw)")
        }
    }

    /// Confines this process: not dumpable, no capabilities but the role's own, only these paths,
    /// only the role's system calls.
    ///
    /// To be called once, after initialisation and before `ready()`. A child that finds itself
    /// unable to be confined must end, which the error makes it do.
    package static func apply(
        role: Role, paths: [Path] = [], journal: Journal
    ) throws(ChildFailure) {
        do {
            _ = try SystemError.check(unsafe clinux_hide(role.name), "prctl")
            _ = try SystemError.check(
                clinux_keep_capabilities(role == .banner ? 1 : 0), "drop capabilities")
            try restrictFiles(role, paths, journal)
            _ = try SystemError.check(
                unsafe clinux_report_refused_calls(role.name), "handle SIGSYS")
            let filter = try Filter()
            try filter.add(rulesOf: role)
            try filter.load()
        } catch {
            throw .setup(
                "cannot be confined (\(error)): Rempart needs a kernel with seccomp; "
                    + "in a container, allow it")
        }
    }

    private static func restrictFiles(
        _ role: Role, _ paths: [Path], _ journal: Journal
    ) throws(SystemError) {
        guard clinux_landlock_version() > 0 else {
            journal.write(
                .degraded, .warning,
                "\(role.name) is not confined to its files: this kernel has no Landlock "
                    + "(Linux 5.13 and later have it, when it is listed in the lsm= boot option)")
            return
        }
        let raw = clinux_landlock_create()
        let ruleset = Descriptor(owning: try SystemError.check(raw, "Landlock ruleset"))
        for path in paths + standardPaths(role) {
            let result =
                switch path {
                case .reading(let path): unsafe clinux_landlock_allow(ruleset.raw, path, 0)
                case .writing(let path): unsafe clinux_landlock_allow(ruleset.raw, path, 1)
                }
            if result == -Errno.noEntry || result == -Errno.access { continue }
            _ = try SystemError.check(result, "Landlock rule")
        }
        _ = try SystemError.check(clinux_landlock_enforce(ruleset.raw), "Landlock")
    }

    /// What the libraries of a role read by themselves.
    private static func standardPaths(_ role: Role) -> [Path] {
        switch role {
        case .supervisor, .terminator, .router: []
        case .directory: [.reading("/etc/localtime"), .reading("/dev/urandom")]
        case .banner:
            [
                .reading("/etc/iproute2"), .reading("/usr/share/iproute2"),
                .reading("/etc/protocols"), .reading("/etc/services"),
                .reading("/etc/nsswitch.conf"), .reading("/proc/sys/net"),
            ]
        }
    }
}
