// Why the account database cannot be opened, and what gives the right to.
internal import Glibc
internal import Messages
internal import Sys

/// What the file system says about the account database.
enum DatabaseRights {
    /// Whether a database is in WAL mode and lacks the shared memory that its writer keeps.
    static func lacksWriter(_ path: String) -> Bool {
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else { return false }
        let file = Descriptor(owning: raw)
        var head = [UInt8](repeating: 0, count: 20)
        // The file format's write and read version: 2 stands for WAL (sqlite.org, "Database File Format").
        guard case .moved(20) = Stream.read(file.raw, into: &head, at: 0), head[18] == 2 else {
            return false
        }
        return unsafe access(path + "-shm", F_OK) != 0
    }

    /// Says why a file cannot be opened, and what to do.
    static func unreadable(_ path: String, _ code: Int32) -> String {
        let reason = SystemError("", code: code).reason
        if code == ENOENT {
            return "\(path) cannot be opened (\(reason)): put the database there or correct "
                + "accounts.source"
        }
        return "\(path) cannot be opened (\(reason)): \(obstacle(path).advice)"
    }

    /// What of a path stands in the way.
    struct Obstacle: Equatable {
        /// The folder, or the file itself.
        let path: String
        let isFolder: Bool
        /// The number of its group, and that group's name.
        let group: UInt32
        let groupName: String?
        /// Its mode's bits.
        let mode: UInt32

        /// The group's right that is needed: to enter a folder, to read a file.
        private var needed: UInt32 { isFolder ? 0o010 : 0o040 }

        /// The commands that give the right through the group, and keep it at the next update.
        var advice: String {
            let name = Role.accountsReader.user
            guard group != 0 else {
                return "as root: give \(path) another group than root's (chgrp), and make \(name) "
                    + "its member"
            }
            let chmod = mode & needed == 0 ? "chmod g+\(isFolder ? "x" : "r") \(path); " : ""
            let member =
                groupName.map {
                    // Neither quotes nor backslashes, which systemd's line of status does not show as they are.
                    "mkdir -p /etc/sysusers.d; "
                        + "for u in \(Role.directory.user) \(name); do echo m $u \($0); done "
                        + ">/etc/sysusers.d/rempart-\($0).conf; systemd-sysusers; "
                        + "systemctl try-restart rempart"
                } ?? "make \(name) a member of the group \(group) of \(path)"
            return "as root: `\(chmod)\(member)`"
        }
    }

    /// The first folder of a path that cannot be entered, or the file.
    private static func obstacle(_ path: String) -> Obstacle {
        let parts = path.split(separator: "/")
        var at = ""
        for part in parts.dropLast() {
            at += "/\(part)"
            if unsafe access(at, X_OK) != 0 { return obstacle(at, isFolder: true) }
        }
        return obstacle(path, isFolder: false)
    }

    private static func obstacle(_ path: String, isFolder: Bool) -> Obstacle {
        var status = stat()
        // In bounds: one structure. What cannot be looked at has no group to name.
        _ = unsafe stat(path, &status)
        return Obstacle(
            path: path, isFolder: isFolder, group: status.st_gid,
            groupName: groupName(status.st_gid), mode: status.st_mode)
    }

    /// The name of a group in /etc/group.
    ///
    /// The C library's own look-up may go through sockets, which this process has not.
    private static func groupName(_ number: UInt32) -> String? {
        let raw = unsafe open("/etc/group", O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else { return nil }
        let file = Descriptor(owning: raw)
        var bytes = [UInt8](repeating: 0, count: 1 << 18)
        guard case .moved(let count) = Stream.read(file.raw, into: &bytes, at: 0) else {
            return nil
        }
        for line in bytes[..<count].split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            guard fields.count >= 3, String(decoding: fields[2], as: UTF8.self) == "\(number)"
            else { continue }
            return String(decoding: fields[0], as: UTF8.self)
        }
        return nil
    }
}
