internal import Reactor
package import Sys

/// One end of a link between two processes, in the hands of a test.
package final class PlainLink {
    private let link: Link

    /// Takes over one end of a pair.
    package init(_ descriptor: Descriptor) { link = Link(descriptor) }

    /// Sends a frame, with a descriptor or none.
    package func send(_ frame: [UInt8], passing descriptor: Descriptor? = nil) {
        _ = link.send(frame, passing: descriptor)
    }

    /// The next frame; nil when none waits, empty at the link's end.
    package func next() throws -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        switch try link.receive(into: &buffer) {
        case .frame(let length, _), .cut(let length): return Array(buffer[..<length])
        case .nothing: return nil
        case .ended: return []
        }
    }

    /// Goes, so that the other side finds the link's end.
    package func close() { link.descriptor.close() }
}
