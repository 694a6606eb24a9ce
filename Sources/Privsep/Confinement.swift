internal import CLinux
internal import Glibc
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
    /// only the role's system calls, and with `connects` those that reach a server.
    ///
    /// To be called once, after initialisation and before `ready()`. A child that finds itself
    /// unable to be confined must end, which the error makes it do.
    package static func apply(
        role: Role, paths: [Path] = [], connects: Bool = false, journal: Journal
    ) throws(ChildFailure) {
        do {
            _ = try SystemError.check(unsafe clinux_hide(role.name), "prctl")
            _ = try SystemError.check(
                clinux_keep_capabilities(role == .banner ? 1 : 0), "drop capabilities")
            try restrictFiles(role, paths, connects, journal)
            _ = try SystemError.check(
                unsafe clinux_report_refused_calls(role.name), "handle SIGSYS")
            let filter = try Filter()
            try filter.add(rulesOf: role, connects: connects)
            try filter.load()
        } catch {
            throw .setup("cannot be confined (\(error)): \(advice(on: error))")
        }
    }

    private static func advice(on error: SystemError) -> String {
        switch error.code {
        case EPERM, EACCES:
            "a container or service manager forbids it: let seccomp(2), prctl(2) and capset(2) through"
        case ENOSYS, EINVAL, EOPNOTSUPP:
            "Rempart needs a kernel with seccomp filters (CONFIG_SECCOMP_FILTER)"
        default: "the kernel could not do it now"
        }
    }

    private static func restrictFiles(
        _ role: Role, _ paths: [Path], _ connects: Bool, _ journal: Journal
    ) throws(SystemError) {
        do {
            try restrictFiles(role, paths, connects)
        } catch {
            guard let why = whyNoLandlock(error) else { throw error }
            journal.write(
                .degraded, .warning, "\(role.name) is not confined to its files: \(why)",
                [(.component, role.name)])
        }
    }

    /// Why a call of Landlock's fails always; nil for an error that may pass.
    private static func whyNoLandlock(_ error: SystemError) -> String? {
        switch error.code {
        case ENOSYS: "this kernel has no Landlock (Linux 5.13 and later can have it)"
        case EOPNOTSUPP: "Landlock is off in this kernel: add landlock to the lsm= boot option"
        case EPERM, EACCES:
            "a container's or service's system-call filter forbids \(error.action): let it and the other "
                + "two landlock_ calls through"
        default: nil
        }
    }

    private static func restrictFiles(
        _ role: Role, _ paths: [Path], _ connects: Bool
    ) throws(SystemError) {
        let raw = clinux_landlock_create(connects ? 1 : 0)
        let ruleset = Descriptor(owning: try SystemError.check(raw, "landlock_create_ruleset"))
        for path in paths + standardPaths(role) {
            let result =
                switch path {
                case .reading(let path): unsafe clinux_landlock_allow(ruleset.raw, path, 0)
                case .writing(let path): unsafe clinux_landlock_allow(ruleset.raw, path, 1)
                }
            if result == -Errno.noEntry || result == -Errno.access { continue }
            _ = try SystemError.check(result, "landlock_add_rule")
        }
        _ = try SystemError.check(
            clinux_landlock_enforce(ruleset.raw), "landlock_restrict_self")
    }

    /// What the libraries of a role read by themselves.
    private static func standardPaths(_ role: Role) -> [Path] {
        switch role {
        case .supervisor, .terminator, .router: []
        case .directory: [.reading("/etc/localtime"), .reading("/dev/urandom")]
        case .accountsReader:
            [.reading("/etc/localtime"), .reading("/dev/urandom"), .reading("/etc/group")]
        case .banner:
            [
                .reading("/etc/iproute2"), .reading("/usr/share/iproute2"),
                .reading("/etc/protocols"), .reading("/etc/services"),
                .reading("/etc/nsswitch.conf"), .reading("/proc/sys/net"),
            ]
        }
    }
}
