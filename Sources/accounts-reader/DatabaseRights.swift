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
        if UsualPlaces.isHidden(path) {
            return
                "\(path) cannot be opened (\(reason)): the service sees nothing below /home, /root and "
                + "/tmp. Put it elsewhere, such as below /var/lib, and name it in accounts.source"
        }
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
        /// Whether this process is a member of that group.
        var isMember = false

        /// The group's right that is needed: to enter a folder, to read a file.
        private var needed: UInt32 { isFolder ? 0o010 : 0o040 }

        /// The commands that give the right through a group, and keep it at the next update.
        ///
        /// Neither quotes nor backslashes stand in them, which systemd's line of status does not show as they are.
        var advice: String {
            let name = Role.accountsReader.user
            let chmod = "chmod g+\(isFolder ? "x" : "r") \(path)"
            let isOpen = mode & needed != 0
            // Nobody should become a member of root's group.
            if group == 0 { return "as root: `chgrp \(name) \(path); \(chmod)`" }
            guard !isMember else {
                return isOpen
                    ? "\(name) is of its group, which may: see getfacl \(path), and whether AppArmor or "
                        + "SELinux forbids it"
                    : "as root: `\(chmod)`"
            }
            var commands = isOpen ? [] : [chmod]
            let joined = groupName ?? "rempart-source"
            if groupName == nil { commands.append("groupadd -g \(group) \(joined)") }
            commands += [
                "mkdir -p /etc/sysusers.d",
                "for u in \(Role.directory.user) \(name); do echo m $u \(joined); done "
                    + ">/etc/sysusers.d/rempart-\(joined).conf",
                "systemd-sysusers", "systemctl try-restart rempart",
            ]
            return "as root: `\(commands.joined(separator: "; "))`"
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
            groupName: groupName(status.st_gid), mode: status.st_mode,
            isMember: isMember(status.st_gid))
    }

    /// Whether this process is a member of a group.
    private static func isMember(_ group: gid_t) -> Bool {
        let count = getgroups(0, nil)
        var groups = [gid_t](repeating: 0, count: Int(max(count, 0)))
        guard group != getegid() else { return true }
        // In bounds: as many as there are.
        return unsafe getgroups(count, &groups) == count && groups.contains(group)
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
