internal import CSystemd
internal import Glibc
internal import Sys

/// Talks to systemd, when it started us: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3).
struct Notify {
    /// Half of the limit within which systemd wants to hear of us; nil: it does not.
    let interval: Milliseconds?
    private var lastStatus = ""

    /// Reads what systemd left in the environment.
    init() {
        var microseconds: UInt64 = 0
        let isWatched = unsafe sd_watchdog_enabled(0, &microseconds) > 0
        interval = isWatched ? Milliseconds(Int64(clamping: microseconds / 2000)) : nil
    }

    /// The sockets that systemd bound for us, or kept for us over a restart.
    static func inheritedSockets() -> [Descriptor] {
        let count = sd_listen_fds(1)
        guard count > 0 else { return [] }
        return (0..<count).map { Descriptor(owning: SD_LISTEN_FDS_START + $0) }
    }

    /// Has systemd let go of the sockets that it holds for us, and waits until it has, for a second at most.
    func forgetSockets() {
        _ = unsafe sd_notify(0, "FDSTOREREMOVE=1\nFDNAME=rempart")
        _ = sd_notify_barrier(0, 1_000_000)
    }

    /// Has systemd hold the sockets over a restart of the daemon (FileDescriptorStoreMax=).
    func storeSockets(_ sockets: [Descriptor]) {
        let numbers = sockets.map(\.raw)
        // In bounds: the array's own storage and length.
        _ = unsafe numbers.withUnsafeBufferPointer { buffer in
            unsafe sd_pid_notify_with_fds(
                0, 0, "FDSTORE=1\nFDNAME=rempart", buffer.baseAddress, UInt32(buffer.count))
        }
    }

    /// All children serve.
    func ready() { _ = unsafe sd_notify(0, "READY=1") }

    /// A reload begins; `ready` ends it.
    func reloading(at now: Milliseconds) {
        _ = unsafe sd_notify(0, "RELOADING=1\nMONOTONIC_USEC=\(now.count * 1000)")
    }

    /// The end begins.
    func stopping() { _ = unsafe sd_notify(0, "STOPPING=1") }

    /// The loop goes round, and so does every child's.
    func alive() { _ = unsafe sd_notify(0, "WATCHDOG=1") }

    /// One line for a person, sent when it has changed.
    mutating func status(_ text: String) {
        guard text != lastStatus else { return }
        lastStatus = text
        _ = unsafe sd_notify(0, "STATUS=\(text)")
    }
}
