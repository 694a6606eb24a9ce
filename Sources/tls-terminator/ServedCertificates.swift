// Which certificate a client is shown: by the name that it asks for (SNI, RFC 6066 section 3).

internal import COpenSSL
internal import Messages
internal import Sys

/// The certificates that handshakes choose among; they do not change, a renewal makes another set.
///
/// Every session begins with the context of the default certificate, which has the keys of the tickets. At the
/// client's hello, before any ticket is looked at, it goes on with the context of the name that was asked for.
@safe
final class ServedCertificates {
    /// A context for each certificate, the default first.
    private let alone: [TLSContext]
    /// Contexts of several certificates for one name, with keys of different kinds, by their places in `alone`.
    private var joined: [[Int]: TLSContext] = [:]
    /// What every session begins with.
    private let entry: TLSContext
    /// The certificates of `entry`.
    private let standard: [Int]

    /// A set of at least one; tickets that an earlier set gave for a certificate of this one stay good.
    init(_ alone: [TLSContext], after earlier: ServedCertificates?) throws(CertificateRefusal) {
        self.alone = alone
        let names = Set(alone[0].certificate.names)
        let related = alone.indices.filter {
            $0 == 0 || !names.isDisjoint(with: alone[$0].certificate.names)
        }
        standard = Self.oneOfEachKind(related, alone)
        entry = try TLSContext(standard.map { alone[$0].identities[0] })
        if let earlier { entry.takeTicketKeys(of: earlier.entry) }
        unsafe entry.ask(self)
    }

    /// Whether it is a set of these.
    func holds(_ others: [TLSContext]) -> Bool {
        alone.count == others.count && zip(alone, others).allSatisfy { $0 === $1 }
    }

    /// The default certificate.
    var first: TLSContext { alone[0] }

    /// How many there are.
    var count: Int { alone.count }

    /// Replaces the keys of session tickets.
    func renewTicketKeys() { entry.renewTicketKeys() }

    /// A session on a connected socket, or nil when there is no memory.
    func session(on raw: Int32) -> TLSSession? {
        let session = entry.session(on: raw)
        session?.retain(self)
        return session
    }

    private static func oneOfEachKind(_ places: [Int], _ all: [TLSContext]) -> [Int] {
        var kinds: Set<String> = []
        return places.filter { kinds.insert(all[$0].certificate.keyKind).inserted }
    }

    /// The certificates for a name, one of each kind of key: those with the name itself before those with a
    /// wildcard, else in the order of the settings.
    ///
    /// Empty when none is for it.
    private func places(for name: String) -> [Int] {
        let fits = alone.map { $0.certificate.fit(name) }
        let inOrder =
            alone.indices.filter { fits[$0] == .byName }
            + alone.indices.filter { fits[$0] == .byWildcard }
        return Self.oneOfEachKind(inOrder, alone)
    }

    /// Has a session whose client has said hello go on with the certificates for the name it asked for.
    @unsafe
    func choose(for session: OpaquePointer) {
        guard let name = unsafe Self.name(askedOf: session) else { return }
        let places = places(for: name)
        guard !places.isEmpty, places != standard else { return }
        unsafe context(of: places).take(session)
    }

    private func context(of places: [Int]) -> TLSContext {
        let first = alone[places[0]]
        guard places.count > 1 else { return first }
        if let context = joined[places] { return context }
        // Each of them was taken by a context before, so all are by one.
        let made = try? TLSContext(places.map { alone[$0].identities[0] })
        joined[places] = made
        return made ?? first
    }

    /// The host name of a client's hello, without a dot at its end; nil when there is none.
    @unsafe
    private static func name(askedOf session: OpaquePointer) -> String? {
        var bytes: UnsafePointer<UInt8>?
        var length = 0
        guard
            unsafe SSL_client_hello_get0_ext(
                session, UInt32(TLSEXT_TYPE_server_name), &bytes, &length) == 1,
            let bytes = unsafe bytes
        else { return nil }
        // In bounds: OpenSSL's own bytes and their length.
        return hostName(unsafe Array(UnsafeBufferPointer(start: bytes, count: length)))
    }

    /// The host name of a server_name extension: a list's length, then for each name its kind, its length, and
    /// its bytes; nil when the first is none.
    static func hostName(_ list: [UInt8]) -> String? {
        guard list.count > 5, list[2] == UInt8(TLSEXT_NAMETYPE_host_name) else { return nil }
        let length = Int(list[3]) << 8 | Int(list[4])
        let name = list[5...].prefix(length)
        guard length > 0, name.count == length, !name.contains(0) else { return nil }
        return String(
            decoding: name.last == UInt8(ascii: ".") ? name.dropLast() : name, as: UTF8.self)
    }
}
