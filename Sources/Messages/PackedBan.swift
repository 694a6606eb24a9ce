package import Sys
package import Wire

/// A ban as it lies in the frame of a `ControlReply.ban`, to list 100,000 of them.
package struct PackedBan: ~Escapable {
    /// The columns of `BanRow`, texts in UTF-8 that was not looked at.
    package let source: Network
    package let reason: Span<UInt8>
    package let evidence: Span<UInt8>
    package let profile: Span<UInt8>
    package let since: Milliseconds
    package let until: Milliseconds
    package let firstSeen: Milliseconds
    package let lastSeen: Milliseconds
    package let count: UInt32
    package let level: UInt32

    /// Whether a reply's frame is that of a ban.
    package static func isBan(_ frame: Span<UInt8>) -> Bool {
        !frame.isEmpty && frame[0] == ControlReply.banKind
    }

    /// The ban of a reply's frame.
    @_lifetime(copy frame)
    package init(_ frame: Span<UInt8>) throws(WireError) {
        var reader = WireReader(frame)
        guard try reader.u8() == ControlReply.banKind else { throw .notPermitted }
        source = try reader.source()
        reason = try reader.bytes("reason", limit: 400)
        evidence = try reader.bytes("evidence", limit: BanOrder.evidenceLimit)
        profile = try reader.bytes("profile", limit: BanOrder.profileLimit)
        since = try reader.moment("since")
        until = try reader.moment("until")
        firstSeen = try reader.moment("firstSeen")
        lastSeen = try reader.moment("lastSeen")
        count = try reader.u32()
        level = try reader.u32()
        try reader.finish()
    }
}
