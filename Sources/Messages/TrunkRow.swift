package import Sys
internal import Wire

/// A server of a trunk as `rempart status` shows it.
package struct TrunkRow: Equatable, Sendable {
    /// The trunk's name.
    package var name: String
    /// The server.
    package var server: SocketAddress
    /// Whether it answers, as far as requests to it have shown.
    package var state: AsteriskState
    /// How many calls the trunk has.
    package var calls: UInt32

    /// A row of its columns.
    package init(name: String, server: SocketAddress, state: AsteriskState, calls: UInt32) {
        self.name = name
        self.server = server
        self.state = state
        self.calls = calls
    }

    /// Writes the columns.
    func write(to writer: inout WireWriter) {
        writer.string(name, cutTo: Bounds.longestGroupName)
        writer.address(server)
        writer.u8(state.rawValue)
        writer.u32(calls)
    }

    /// Reads the columns.
    init(from reader: inout WireReader) throws(WireError) {
        self.init(
            name: try reader.string("trunk", limit: Bounds.longestGroupName),
            server: try reader.reachable("server"),
            state: try reader.choice("state"), calls: try reader.u32())
    }
}
