internal import Glibc
internal import Journal
internal import Sys

/// Somebody who asks for a change: a caller of the control socket, or the sender of a signal.
struct Asker: Equatable {
    /// The user that the process has now.
    let uid: UInt32
    /// The process.
    let pid: Int32
    /// The user who had logged in, from before sudo; nil for a service, and when it cannot be read.
    let loginUID: UInt32?

    /// What `/proc/PID/loginuid` says of a process that nobody's login has begun.
    private static let noLogin = UInt32.max

    /// The caller at the other end of a connection that was accepted just now; nil when the kernel
    /// does not say.
    init?(caller connection: Descriptor) {
        guard let peer = try? Socket.peerCredentials(connection.raw) else { return nil }
        let found = Self.loginUID(of: peer.pid, uid: peer.uid)
        // Only while the caller has its end open, its number is surely its own.
        self.init(uid: peer.uid, pid: peer.pid, loginUID: Self.isHeld(connection) ? found : nil)
    }

    /// The sender of a signal; nil when it was the kernel, as for a key of the terminal.
    init?(sender pid: Int32, uid: UInt32) {
        guard pid > 0 else { return nil }
        self.init(uid: uid, pid: pid, loginUID: Self.loginUID(of: pid, uid: uid))
    }

    /// Somebody of whom this is known.
    init(uid: UInt32, pid: Int32, loginUID: UInt32?) {
        self.uid = uid
        self.pid = pid
        self.loginUID = loginUID
    }

    /// How a sentence names the asker.
    var name: String { "uid \(uid)" + (loginUID.map { " (login uid \($0))" } ?? "") }

    /// The fields that name the asker.
    var fields: [(Field, String)] {
        [(.uid, "\(uid)")] + (loginUID.map { [(.loginUID, "\($0)")] } ?? [])
    }

    /// The login uid of a process, which must still be of this user; nil when it has none or cannot be read.
    static func loginUID(of pid: Int32, uid: UInt32) -> UInt32? {
        let raw = unsafe open("/proc/\(pid)/loginuid", O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else { return nil }
        let file = Descriptor(owning: raw)
        var info = stat()
        guard unsafe fstat(file.raw, &info) == 0, info.st_uid == uid else { return nil }
        var bytes = [UInt8](repeating: 0, count: 16)
        guard case .moved(let count) = Stream.read(file.raw, into: &bytes, at: 0) else {
            return nil
        }
        return loginUID(String(decoding: bytes[..<count], as: UTF8.self))
    }

    /// The login uid that a text of the kernel says; nil for none.
    static func loginUID(_ text: String) -> UInt32? {
        let digits = text.split(separator: "\n").first ?? ""
        return UInt32(digits).flatMap { $0 == noLogin ? nil : $0 }
    }

    /// Whether the other end of a connection is open.
    private static func isHeld(_ connection: Descriptor) -> Bool {
        var wanted = pollfd(fd: connection.raw, events: 0, revents: 0)
        return unsafe poll(&wanted, 1, 0) == 0
    }
}
