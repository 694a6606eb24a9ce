internal import Glibc
package import Messages
internal import Reactor
package import Sys
internal import Wire

/// The supervisor's end of a child's link, in the hands of a test.
package final class SupervisorEnd {
    private let link: Link

    /// Takes over one end of a pair.
    package init(_ descriptor: Descriptor) { link = Link(descriptor) }

    /// Tells the child something.
    package func send(_ message: SupervisorMessage) {
        let (frame, passing) = message.encoded()
        _ = link.send(frame, passing: passing)
    }

    /// Sends the child bytes that need be no message, with a descriptor or none.
    package func send(raw bytes: [UInt8], passing descriptor: Descriptor? = nil) {
        _ = link.send(bytes, passing: descriptor)
    }

    /// Goes, so that the child finds its supervisor gone.
    package func leave() { link.descriptor.close() }

    /// What the child has said since.
    package func said() throws -> [ChildMessage] {
        var said: [ChildMessage] = []
        while let message = try next() { said.append(message) }
        return said
    }

    /// Waits until the child says something, for at most 30 s; false when it ends first.
    package func hears(_ wanted: ChildMessage) throws -> Bool {
        try hears { $0 == wanted } != nil
    }

    /// Waits until the child says what is wanted, for at most 30 s; nil when it ends first.
    package func hears(_ isWanted: (ChildMessage) -> Bool) throws -> ChildMessage? {
        let deadline = Clock.monotonic + .seconds(30)
        while isReadable(until: deadline) {
            guard let message = try next() else { return nil }
            if isWanted(message) { return message }
        }
        return nil
    }

    /// Waits until the child has closed its end, for at most 30 s.
    package func hearsEnd() throws -> Bool {
        let deadline = Clock.monotonic + .seconds(30)
        while isReadable(until: deadline) {
            if try next() == nil { return true }
        }
        return false
    }

    private func next() throws -> ChildMessage? {
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        guard case .frame(let length, _) = try link.receive(into: &buffer) else { return nil }
        return try ChildMessage(decoding: buffer.span.extracting(0..<length))
    }

    private func isReadable(until deadline: Milliseconds) -> Bool {
        var wanted = pollfd(fd: link.descriptor.raw, events: Int16(POLLIN), revents: 0)
        let left = max(deadline - Clock.monotonic, Milliseconds(0))
        return unsafe poll(&wanted, 1, Int32(left.count)) > 0
    }
}
