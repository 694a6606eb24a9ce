internal import Dialling
internal import Messages
internal import SIP
internal import SIPWriting
internal import Sys

/// A call that is under way.
struct Call: BitwiseCopyable, Sendable {
    /// What is kept of its messages, one behind the other in its block.
    enum Piece: Int, CaseIterable {
        /// As whoever made it wrote it.
        case callID
        /// The caller's From.
        case from
        /// Its To, with the tag of whoever has answered.
        case to
        /// The phone's Contact URI; empty while it is not known.
        case phone
        /// The user part of the Asterisk's Contact; empty while it is not known.
        case asterisk
        /// The dialled number, or the caller's name.
        case peer
        /// The way through a trunk's proxies; empty to a phone.
        case route
    }

    /// The account.
    var account: Int32
    /// Who made it.
    var direction: CallDirection
    /// Its INVITE, while nobody has answered.
    var exchange = Handle.none
    /// What it is found by.
    var key: UInt64 = 0
    /// The way to the phone.
    var flow: Flow
    /// The Asterisk.
    var asterisk: SocketAddress
    /// The pieces.
    var block = Block.none
    /// How long each is.
    var lengths = InlineArray<7, UInt16>(repeating: 0)
    /// When it began, or was first seen, since 1970.
    var since: Milliseconds
    /// When it was last heard of.
    var heard: Milliseconds
    /// The CSeq of its INVITE, as whoever made it knows it.
    var sequence: UInt32 = 0
    /// The highest CSeq of the phone's requests, as the Asterisk knows it.
    var inwardSequence: UInt32 = 0
    /// The highest CSeq of the Asterisk's requests.
    var outwardSequence: UInt32 = 0
    /// Whether somebody has answered.
    var isAnswered = false
    /// When somebody has, of the monotonic clock; 0 when that is not known.
    var answeredAt = Milliseconds(0)
    /// Who has ended it while nobody had answered.
    var end: CallEnd?
    /// Why, as he says.
    var cause = EndCause()
    /// Whether the phone wrote the From that is kept.
    var isFromPhone = false
    /// Whether the number is abroad.
    var isAbroad = false
    /// A keyed hash of the dialled number.
    var mark: UInt64 = 0
    /// Whether banner has not said yet in which country the phone is.
    var isUnlocated = false
    /// Whether the answer was acknowledged, or something else was said in the call since.
    var isConfirmed = false
    /// Whether it is to end as soon as it is answered.
    var isEnding = false
    /// Whether the phone has transferred a call while it had this one.
    var isTransferred = false
    /// The next call of the account, and the one before; -1 for none.
    var next: Int32 = -1
    var previous: Int32 = -1

    /// Where a piece lies in the block.
    func range(_ piece: Piece) -> Range<Int> {
        var start = 0
        for place in 0..<piece.rawValue { start += Int(lengths[place]) }
        return start..<start + Int(lengths[piece.rawValue])
    }
}

/// Why an account is barred.
struct Bar: Sendable {
    /// Since when, since 1970.
    var since: Milliseconds
    /// The reason code.
    var reason: String
    /// What was seen, in words.
    var evidence: String
}

/// The calls that are under way, by their dialogs and by their accounts, and who may make more.
///
/// Both sides of a dialog know the same tags, and the same Call-ID up to its host; so a call is found by those
/// whichever side a message comes from.
struct Calls: ~Copyable {
    /// How many calls there may be.
    static let capacity = 100_000

    var gate = CallGuard(capacity: 1_000_000)
    /// The barred accounts; looked at when something changes, not for each call.
    var bars: [Int32: Bar] = [:]
    /// When calls that nobody has heard of for long are next looked for.
    var nextSweep = Milliseconds(0)
    /// How many calls abroad are from nobody knows where yet.
    private(set) var unlocated = 0
    private(set) var table: Slots<Call>
    /// The keys of the answered calls that ended last, in a ring.
    private var ended = [UInt64](repeating: 0, count: 1024)
    private var nextEnded = 0
    private var keys = NameTable()
    /// The pieces of a call while they are put together.
    private var pieces = ByteBuffer(capacity: MessageParser.maximumMessage)

    init() {
        let nowhere = SocketAddress(IPAddress(v4: 0), port: 0)
        table = Slots(
            capacity: Self.capacity,
            empty: Call(
                account: -1, direction: .unknown, flow: Flow(.udp, listener: 0, peer: nowhere),
                asterisk: nowhere, since: Milliseconds(0), heard: Milliseconds(0)))
    }

    /// A call by its handle, which must be of one.
    subscript(handle: Handle) -> Call {
        _read { yield table[handle] }
        _modify { yield &table[handle] }
    }

    // MARK: Keys

    /// What a dialog is known by: keyed hashes of the Call-ID up to its host, which differs between the
    /// sides, and of the tags.
    struct Marks: BitwiseCopyable, Sendable {
        fileprivate var callID: UInt64
        fileprivate var from: UInt64
        fileprivate var to: UInt64

        /// The marks that a message of the dialog shows.
        init(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) {
            callID = NameTable.hash(bytes.bytes(index.callID).upToHost)
            from = NameTable.hash(bytes.bytes(index.from.tag))
            to = NameTable.hash(bytes.bytes(index.to.tag))
        }

        /// What the call is found by before it is answered: the tag of its caller alone.
        fileprivate var early: UInt64 { Self.early(callID, from) }

        fileprivate static func early(_ callID: UInt64, _ caller: UInt64) -> UInt64 {
            callID ^ caller &* 0xC2B2_AE3D_27D4_EB4F
        }

        /// What it is found by afterwards: both tags, in whatever order.
        fileprivate var whole: UInt64 { callID ^ (from &+ to) &* 0x9E37_79B9_7F4A_7C15 }
    }

    /// The call of a key.
    private func find(_ key: UInt64) -> Handle? {
        let place = keys.find(key) { place in
            table.handle(at: UInt32(bitPattern: place)).map { table[$0].key == key } ?? false
        }
        return place.flatMap { table.handle(at: UInt32(bitPattern: $0)) }
    }

    /// The call that a request inside a dialog belongs to, answered or not.
    func find(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Handle? {
        let marks = Marks(bytes, index)
        return find(marks.whole) ?? find(marks.early)
            ?? find(Marks.early(marks.callID, marks.to))
    }

    // MARK: Life

    /// Whether there is no room for another call.
    var isFull: Bool { table.count >= Self.capacity }

    /// A call begins, by a request that shows these marks; nil when there is no room.
    mutating func begin(_ call: Call, _ marks: Marks) -> Handle? {
        var call = call
        call.key = call.isAnswered ? marks.whole : marks.early
        var caller = gate[call.account]
        call.next = caller.first
        guard let handle = table.take(call) else { return nil }
        let place = Int32(bitPattern: handle.index)
        if call.next >= 0, let next = self.handle(call.next) { table[next].previous = place }
        caller.first = place
        caller.all += 1
        if call.direction != .received { caller.made += 1 }
        if call.isAbroad { caller.abroad += 1 }
        if call.isUnlocated { unlocated += 1 }
        gate[call.account] = caller
        keys.add(place, call.key)
        return handle
    }

    /// A call was answered by a message that shows these marks.
    mutating func answer(_ handle: Handle, _ marks: Marks) {
        let key = marks.whole
        let place = Int32(bitPattern: handle.index)
        table[handle].isAnswered = true
        keys.remove(place, table[handle].key)
        table[handle].key = key
        keys.add(place, key)
    }

    /// A call is over.
    mutating func end(
        _ handle: Handle, _ blocks: inout BlockStore, _ accounts: inout Accounts,
        _ now: Milliseconds
    ) {
        guard table.contains(handle) else { return }
        let call = table[handle]
        let place = Int32(bitPattern: handle.index)
        keys.remove(place, call.key)
        blocks.release(&table[handle].block, of: call.account, &accounts)
        if let next = self.handle(call.next) { table[next].previous = call.previous }
        var caller = gate[call.account]
        if let previous = self.handle(call.previous) {
            table[previous].next = call.next
        } else {
            caller.first = call.next
        }
        caller.all -= 1
        if call.direction != .received { caller.made -= 1 }
        if call.isAbroad { caller.abroad -= 1 }
        gate[call.account] = caller
        locate(handle)
        if call.isAbroad, call.isTransferred { gate.keep(call.account, now) }
        table.release(handle)
        if call.isAnswered { keepEnded(call.key) }
    }

    /// Whether a call that is not in the table ends by a message inside its dialog; false when it has ended: both
    /// sides may hang up at once.
    mutating func endsNow(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Bool {
        let key = Marks(bytes, index).whole
        guard !ended.contains(key) else { return false }
        keepEnded(key)
        return true
    }

    private mutating func keepEnded(_ key: UInt64) {
        ended[nextEnded] = key
        nextEnded = (nextEnded + 1) % ended.count
    }

    /// A call's country is known, or does not matter any more.
    mutating func locate(_ handle: Handle) {
        guard table[handle].isUnlocated else { return }
        table[handle].isUnlocated = false
        unlocated -= 1
    }

    /// The call at a place of the table; nil for -1.
    func handle(_ place: Int32) -> Handle? {
        place < 0 ? nil : table.handle(at: UInt32(bitPattern: place))
    }

    /// The calls of an account.
    func handles(of account: Int32) -> [Handle] {
        var handles: [Handle] = []
        var place = gate[account].first
        while let handle = handle(place) {
            handles.append(handle)
            place = table[handle].next
        }
        return handles
    }

    /// Every call.
    var handles: [Handle] {
        (0..<UInt32(table.places)).compactMap { place in
            guard let handle = table.handle(at: place), table[handle].account >= 0 else {
                return nil
            }
            return handle
        }
    }

    // MARK: Pieces

    /// Forgets the pieces that were put together.
    mutating func clearPieces() { pieces.removeAll() }

    /// Adds a piece; they come in the order of `Call.Piece`.
    mutating func add(_ bytes: Span<UInt8>, _ piece: Call.Piece, to call: inout Call) {
        call.lengths[piece.rawValue] = UInt16(truncatingIfNeeded: bytes.count)
        pieces.append(bytes)
    }

    /// Adds a tag to the piece that was added last; nothing when it is empty.
    mutating func addTag(_ tag: Span<UInt8>, of piece: Call.Piece, to call: inout Call) {
        guard !tag.isEmpty else { return }
        pieces.append(";tag=")
        pieces.append(tag)
        call.lengths[piece.rawValue] &+= UInt16(truncatingIfNeeded: tag.count + 5)
    }

    /// Keeps the pieces in place of those a call had; false, and nothing changed, when there is no room.
    mutating func keepPieces(
        _ call: inout Call, _ blocks: inout BlockStore, _ accounts: inout Accounts
    ) -> Bool {
        guard !pieces.overflowed else { return false }
        let block = blocks.store(pieces, of: call.account, &accounts)
        guard block.exists else { return false }
        blocks.release(&call.block, of: call.account, &accounts)
        call.block = block
        return true
    }
}
