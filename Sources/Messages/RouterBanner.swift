package import Sys
package import Wire

/// What sip-router asks of banner.
package enum RouterToBanner: Equatable, Sendable {
    /// The first frame on a new link; banner answers with every ban in force, then `all`.
    case hello
    /// Ban a source: the reason code, and how many proven offences it is founded on.
    case ban(IPAddress, reason: String, count: UInt32, span: Milliseconds)
}

/// What banner tells sip-router, which drops such sources itself too.
package enum BannerToRouter: Equatable, Sendable {
    /// The source is banned until a moment since 1970.
    case banned(IPAddress, until: Milliseconds)
    /// The source is not banned any more.
    case unbanned(IPAddress)
    /// No source is banned any more.
    case cleared
    /// Every ban in force has been told.
    case all
}

extension RouterToBanner {
    /// The message's frame.
    package func encoded() -> [UInt8] {
        switch self {
        case .hello: return WireWriter.hello.bytes
        case .ban(let address, let reason, let count, let span):
            var writer = WireWriter(kind: 2)
            writer.ip(address)
            writer.string(reason)
            writer.u32(count)
            writer.milliseconds(span)
            return writer.bytes
        }
    }

    /// The message of a frame.
    package init(decoding frame: Span<UInt8>) throws(WireError) {
        var reader = WireReader(frame)
        switch try reader.u8() {
        case 1:
            try reader.version()
            self = .hello
        case 2:
            let address = try reader.ip()
            let reason = try reader.string("reason", limit: 64)
            let count = try reader.u32()
            let span = try reader.milliseconds()
            guard span.count > 0, span <= .seconds(31_536_000) else { throw .badValue("span") }
            self = .ban(address, reason: reason, count: count, span: span)
        case let kind: throw .unknownKind(kind)
        }
        try reader.finish()
    }
}

extension BannerToRouter {
    /// The message's frame.
    package func encoded() -> [UInt8] {
        switch self {
        case .banned(let address, let until):
            var writer = WireWriter(kind: 1)
            writer.ip(address)
            writer.milliseconds(until)
            return writer.bytes
        case .unbanned(let address):
            var writer = WireWriter(kind: 2)
            writer.ip(address)
            return writer.bytes
        case .cleared: return WireWriter(kind: 3).bytes
        case .all: return WireWriter(kind: 4).bytes
        }
    }

    /// The message of a frame.
    package init(decoding frame: Span<UInt8>) throws(WireError) {
        var reader = WireReader(frame)
        switch try reader.u8() {
        case 1:
            let address = try reader.ip()
            self = .banned(address, until: try reader.milliseconds())
        case 2: self = .unbanned(try reader.ip())
        case 3: self = .cleared
        case 4: self = .all
        case let kind: throw .unknownKind(kind)
        }
        try reader.finish()
    }
}
