// The flows of banned sources, ended beside the loop.
internal import Glibc
internal import Messages
internal import Synchronization
internal import Sys

/// Ends the flows that conntrack knows of banned sources, in a thread that lives while there are any.
///
/// To find them the kernel walks its whole table of connections. A table of 262,144 buckets takes
/// it 20 ms even when it is nearly empty. An order of sip-router must not wait for that. The
/// source's own packets are dropped before conntrack all the while.
final class FlowEnder: Sendable {
    private struct State {
        var sources: Set<Network> = []
        var isAtWork = false
    }

    private let state = Mutex(State())

    /// How long the thread gathers sources between two walks.
    private static let pause: UInt32 = 1

    /// Ends the flows of these sources soon.
    func end(_ sources: Set<Network>) {
        let isFirst = state.withLock { state in
            state.sources.formUnion(sources)
            defer { state.isAtWork = true }
            return !state.isAtWork
        }
        guard isFirst else { return }
        var thread = pthread_t()
        // The thread takes over the reference that is retained here, and lets it go at its end.
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                if let context = unsafe context {
                    unsafe Unmanaged<FlowEnder>.fromOpaque(context).takeRetainedValue().work()
                }
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        guard code == 0 else {
            unsafe Unmanaged.passUnretained(self).release()
            return work()
        }
        pthread_detach(thread)
    }

    private func work() {
        let conntrack = (try? NetlinkSocket()).map(Conntrack.init)
        while let sources = next() {
            conntrack?.end(sources)
            sleep(Self.pause)
        }
    }

    /// What has gathered; nil, and the work is over, when nothing has.
    private func next() -> Set<Network>? {
        state.withLock { state in
            defer { state.sources = [] }
            state.isAtWork = !state.sources.isEmpty
            return state.isAtWork ? state.sources : nil
        }
    }
}
