package import Sys
internal import Wire

/// From which of our endpoints an Asterisk is called: the one that the kernel's route to it uses.
///
/// The supervisor asks the kernel, since sip-router opens no socket.
package struct AsteriskWay: Hashable, Sendable {
    /// The Asterisk's address; its port makes no difference to the route.
    package let asterisk: IPAddress
    /// The number of the inside UDP listener, of the same family.
    package let listener: UInt8
    /// The address of this machine at which the route begins, of the same family; told where the listener is at every
    /// address, and there is a route.
    package let own: IPAddress?

    /// The way to an Asterisk by a listener, from an address of this machine if the listener leaves that open.
    package init(to asterisk: IPAddress, by listener: UInt8, from own: IPAddress? = nil) {
        self.asterisk = asterisk
        self.listener = listener
        self.own = own
    }

    func write(to writer: inout WireWriter) {
        writer.ip(asterisk)
        writer.u8(listener)
        writer.bool(own != nil)
        if let own { writer.ip(own) }
    }

    init(from reader: inout WireReader) throws(WireError) {
        asterisk = try reader.ip()
        listener = try reader.listener()
        own = try reader.bool() ? try reader.ip() : nil
        guard own.map({ $0.isV4 == asterisk.isV4 }) ?? true else { throw .badValue("own") }
    }
}

extension WireWriter {
    /// Writes the first `Bounds.mostAsterisks` ways.
    mutating func ways(_ value: [AsteriskWay]) {
        let first = value.prefix(Bounds.mostAsterisks)
        u8(UInt8(first.count))
        for way in first { way.write(to: &self) }
    }
}

extension WireReader {
    /// Reads ways, at most `Bounds.mostAsterisks`.
    mutating func ways() throws(WireError) -> [AsteriskWay] {
        let count = try u8()
        guard count <= Bounds.mostAsterisks else { throw .badValue("ways") }
        var ways: [AsteriskWay] = []
        for _ in 0..<count { ways.append(try AsteriskWay(from: &self)) }
        return ways
    }
}
