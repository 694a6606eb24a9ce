internal import Dialling
internal import Messages
internal import ProxyBench
internal import SIP
internal import SIPWriting
internal import Sys

/// The calls that are under way, by their dialogs and by whose they are, and who may make more.
///
/// Both sides of a dialog know the same tags, and the same Call-ID up to its host; so a call is found by those
/// whichever side a message comes from.
struct CallTable: ~Copyable {
    /// Which calls accounts may make, and which they have.
    private var accounts = CallGuard(capacity: Capacity.accounts)
    /// The same of trunks.
    private var trunks = CallGuard(capacity: Capacity.trunks)
    /// How many calls abroad are from nobody knows where yet.
    private(set) var unlocated = 0
    private var table: Slots<Call>
    /// The keys of the answered calls that ended last, in a ring.
    private var ended = [UInt64](repeating: 0, count: 1024)
    private var nextEnded = 0
    private var keys = NameTable()
    /// The pieces of a call while they are put together.
    private var pieces = ByteBuffer(capacity: MessageParser.maximumMessage)

    /// No calls.
    init() {
        let nowhere = SocketAddress(IPAddress(v4: 0), port: 0)
        table = Slots(
            capacity: Capacity.calls,
            empty: Call(
                party: .nobody, direction: .unknown, flow: Flow(.udp, listener: 0, peer: nowhere),
                asterisk: nowhere, since: Milliseconds(0), heard: Milliseconds(0)))
    }

    /// How many there are.
    var count: Int { table.count }

    /// Whether a call is under way.
    func contains(_ handle: Handle) -> Bool { table.contains(handle) }

    /// A call by its handle, which must be of one.
    subscript(handle: Handle) -> Call {
        _read { yield table[handle] }
        _modify { yield &table[handle] }
    }

    /// What is remembered of a party's calls.
    subscript(caller party: Party) -> Caller {
        get {
            switch party {
            case .nobody: Caller()
            case .account(let account): accounts[account.place]
            case .trunk(let trunk): trunks[trunk.place]
            }
        }
        set {
            switch party {
            case .nobody: break
            case .account(let account): accounts[account.place] = newValue
            case .trunk(let trunk): trunks[trunk.place] = newValue
            }
        }
    }

    /// How many accounts there may be something known of.
    var callerCount: Int { accounts.count }

    /// Judges a call that a party is about to make; `request` tells it from others.
    mutating func judge(
        _ party: Party, _ dialled: Dialled, request: UInt64, _ terms: CallTerms
    ) -> CallVerdict {
        switch party {
        case .nobody: .pass
        case .account(let account):
            accounts.judge(account.place, dialled, request: request, terms)
        case .trunk(let trunk): trunks.judge(trunk.place, dialled, request: request, terms)
        }
    }

    /// A call abroad of a party goes on at Asterisk without its phone.
    mutating func goesOn(_ party: Party, _ now: Milliseconds) {
        switch party {
        case .nobody: break
        case .account(let account): accounts.goesOn(account.place, now)
        case .trunk(let trunk): trunks.goesOn(trunk.place, now)
        }
    }

    /// An account is in a country; one that is new holds its calls abroad for a span.
    mutating func see(
        _ account: AccountID, in country: Country, hold: Milliseconds, _ now: Now
    ) -> CallGuard.Sight {
        accounts.see(account.place, in: country, hold: hold, now)
    }

    /// Takes over what directory has of an account.
    mutating func restore(_ account: AccountID, _ standing: AccountStanding) {
        accounts.restore(account.place, standing)
    }

    /// The countries that an account was seen in, as directory has them.
    func countries(_ account: AccountID) -> String { accounts.countries(account.place) }

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
    var isFull: Bool { table.count >= Capacity.calls }

    /// A call begins, by a request that shows these marks; nil when there is no room.
    mutating func begin(_ call: Call, _ marks: Marks) -> Handle? {
        var call = call
        call.key = call.isAnswered ? marks.whole : marks.early
        var caller = self[caller: call.party]
        call.next = caller.first
        guard let handle = table.take(call) else { return nil }
        let place = Int32(bitPattern: handle.index)
        if call.next >= 0, let next = self.handle(call.next) { table[next].previous = place }
        caller.first = place
        caller.all += 1
        if call.direction != .received { caller.made += 1 }
        if call.isAbroad { caller.abroad += 1 }
        if call.isUnlocated { unlocated += 1 }
        self[caller: call.party] = caller
        keys.add(place, call.key)
        return handle
    }

    /// A call was answered by a message that shows these marks.
    mutating func answered(_ handle: Handle, _ marks: Marks) {
        let key = marks.whole
        let place = Int32(bitPattern: handle.index)
        table[handle].isAnswered = true
        keys.remove(place, table[handle].key)
        table[handle].key = key
        keys.add(place, key)
    }

    /// A call is over.
    mutating func end(_ handle: Handle, _ bench: inout Bench) {
        guard table.contains(handle) else { return }
        let call = table[handle]
        let place = Int32(bitPattern: handle.index)
        keys.remove(place, call.key)
        bench.release(&table[handle].block, of: call.party)
        if let next = self.handle(call.next) { table[next].previous = call.previous }
        var caller = self[caller: call.party]
        if let previous = self.handle(call.previous) {
            table[previous].next = call.next
        } else {
            caller.first = call.next
        }
        caller.all -= 1
        if call.direction != .received { caller.made -= 1 }
        if call.isAbroad { caller.abroad -= 1 }
        self[caller: call.party] = caller
        locate(handle)
        if call.isAbroad, call.isTransferred { goesOn(call.party, bench.now.monotonic) }
        table.release(handle)
        if call.isAnswered { remember(call.key) }
    }

    /// Records that a call that is not in the table ends by a message inside its dialog; false when it had ended: both
    /// sides may hang up at once.
    mutating func recordEnd(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Bool {
        let key = Marks(bytes, index).whole
        guard !ended.contains(key) else { return false }
        remember(key)
        return true
    }

    private mutating func remember(_ key: UInt64) {
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

    /// The calls of a party.
    func handles(of party: Party) -> [Handle] {
        var handles: [Handle] = []
        var place = self[caller: party].first
        while let handle = handle(place) {
            handles.append(handle)
            place = table[handle].next
        }
        return handles
    }

    /// Every call.
    var handles: [Handle] {
        (0..<UInt32(table.places)).compactMap { place in
            guard let handle = table.handle(at: place), table[handle].party != .nobody else {
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

    /// Stores the pieces in place of those a call had; false, and nothing changed, when there is no room.
    mutating func storePieces(_ call: inout Call, _ bench: inout Bench) -> Bool {
        guard !pieces.overflowed else { return false }
        let block = bench.blocks.store(pieces, of: call.party, &bench.shares)
        guard block.exists else { return false }
        bench.release(&call.block, of: call.party)
        call.block = block
        return true
    }
}
