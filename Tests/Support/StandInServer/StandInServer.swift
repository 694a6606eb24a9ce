internal import Foundation
internal import Glibc
internal import Synchronization
package import Sys

/// A server of a test by TCP at a port of the loopback's, each of whose connections has a thread of its own.
package final class StandInServer: Sendable {
    /// One connection, which its thread may wait for.
    package struct Connection: Sendable {
        fileprivate let raw: Int32

        /// The bytes up to an ending, which stays in them; nil when the other side has closed before.
        package func bytes(upTo ending: String) -> [UInt8]? {
            var result: [UInt8] = []
            let ending = Array(ending.utf8)
            while !result.suffix(ending.count).elementsEqual(ending) {
                var byte: UInt8 = 0
                // In bounds: one byte.
                guard unsafe Glibc.read(raw, &byte, 1) == 1 else { return nil }
                result.append(byte)
            }
            return result
        }

        /// Sends bytes; those that the other side does not take any more are lost.
        package func send(_ bytes: some Sequence<UInt8>) {
            let bytes = Array(bytes)
            // In bounds: the array's own storage and length.
            _ = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.send(raw, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
            }
        }

        /// Ends it; its thread finds that the other side has closed.
        package func end() { _ = Glibc.shutdown(raw, Int32(SHUT_RDWR)) }

        /// Waits until the other side closes, or the server stops.
        package func waitForEnd() {
            var byte: UInt8 = 0
            // In bounds: one byte.
            while unsafe Glibc.read(raw, &byte, 1) == 1 {}
        }
    }

    private struct State {
        var open: Set<Int32> = []
        var accepted = 0
        var most = 0
        var isStopped = false
    }

    /// Where it listens.
    package let address: SocketAddress
    private let listener: Int32
    private let state = Mutex(State())

    /// A server that gives each connection to `serve`, and closes it when that returns; at a port of its own, unless one
    /// is named.
    package init(port: UInt16 = 0, _ serve: @escaping @Sendable (Connection) -> Void) throws {
        let descriptor = try Socket.bound(
            .stream, to: SocketAddress(IPAddress(v4: 0x7F00_0001), port: port))
        address = try Socket.localAddress(descriptor.raw)
        listener = dup(descriptor.raw)
        let flags = fcntl(listener, F_GETFL)
        _ = fcntl(listener, F_SETFL, flags & ~O_NONBLOCK)
        Thread { [self] in accept(serve) }.start()
    }

    private func accept(_ serve: @escaping @Sendable (Connection) -> Void) {
        while true {
            let raw = Glibc.accept(listener, nil, nil)
            guard raw >= 0 else {
                // Not by `stop`: this thread may be about to wait for it, when it is another one's.
                close(listener)
                return
            }
            let isTaken = state.withLock { state in
                guard !state.isStopped else { return false }
                state.open.insert(raw)
                state.accepted += 1
                state.most = max(state.most, state.open.count)
                return true
            }
            guard isTaken else {
                close(raw)
                continue
            }
            Thread { [self] in
                serve(Connection(raw: raw))
                state.withLock { state in _ = state.open.remove(raw) }
                close(raw)
            }.start()
        }
    }

    /// How many connections there were, and how many at once at most.
    package var connections: (all: Int, most: Int) {
        state.withLock { ($0.accepted, $0.most) }
    }

    /// Ends all connections; no other one is taken.
    package func stop() {
        state.withLock { state in
            guard !state.isStopped else { return }
            state.isStopped = true
            for raw in state.open { _ = Glibc.shutdown(raw, Int32(SHUT_RDWR)) }
            _ = Glibc.shutdown(listener, Int32(SHUT_RDWR))
        }
    }
}
