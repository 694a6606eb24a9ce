internal import CLinux
internal import Glibc

/// A user of the system with all its groups.
package struct User {
    /// Its number.
    package let uid: UInt32
    /// Its first group.
    package let gid: UInt32
    /// All its groups.
    package private(set) var groups: [UInt32]

    /// The user of a name; nil when the system has none.
    package init?(named name: String) {
        var found = clinux_user()
        guard unsafe clinux_user(name, &found) == 0 else { return nil }
        uid = found.uid
        gid = found.gid
        // In bounds: the C side counts what it has filled, at most the tuple's 64.
        groups = unsafe withUnsafeBytes(of: &found.groups) { bytes in
            unsafe Array(bytes.bindMemory(to: gid_t.self).prefix(Int(found.group_count)))
        }
    }

    /// Gives it the groups that another user was made a member of; at most 64 together.
    package mutating func join(groupsOf other: User) {
        for group in other.groups where group != other.gid && !groups.contains(group) {
            if groups.count < Self.mostGroups { groups.append(group) }
        }
    }

    /// How many groups a process is given, as `clinux_user` has room for.
    private static let mostGroups = 64
}
