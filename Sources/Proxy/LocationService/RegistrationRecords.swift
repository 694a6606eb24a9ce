internal import AccountCache
internal import Journal
internal import Messages
internal import ProxyBench
internal import Registrar
internal import Sys

/// How a binding came, changed or went.
enum BindingEvent: UInt8, BitwiseCopyable {
    case registered, moved, unregistered, expired, revoked, lost, back

    /// Whether the binding is gone.
    var isEnd: Bool { self == .unregistered || self == .expired || self == .revoked }

    /// The kind of its record.
    var record: Record {
        switch self {
        case .registered, .moved: .registered
        case .unregistered, .expired, .revoked: .unregistered
        case .lost: .phoneLost
        case .back: .phoneBack
        }
    }

    /// The word for it in a record.
    var word: StaticString {
        switch self {
        case .registered: "registered"
        case .moved: "moved"
        case .unregistered: "unregistered"
        case .expired: "expired"
        case .revoked: "revoked"
        case .lost: "does not answer any more"
        case .back: "is there again"
        }
    }
}

/// The accounts that the journal was told of within the last ten seconds, and what has changed of each since: a phone
/// that registers in a loop makes a record a span, and its last state is told.
///
/// All spans are of one length, so they end in the order in which they begin. An account that has one stays in the
/// cache.
struct RegistrationRecords: ~Copyable {
    /// For how long an account that was told of is told of no more.
    static let span = Milliseconds.seconds(10)

    /// What has changed of an account since it was told of.
    struct Entry: BitwiseCopyable {
        var account: AccountID
        /// When its span ends.
        var end: Milliseconds
        /// How many changes there were.
        var count: UInt32 = 0
        /// The last one.
        var event = BindingEvent.registered
        /// Of which binding.
        var binding: Int32 = -1
        /// By which flow its phone was reached.
        var flow = Flow(.udp, listener: 0, peer: SocketAddress(IPAddress(v4: 0), port: 0))
        /// The place of the account that was told of next, or the next free place; -1 at the end.
        fileprivate var next: Int32 = -1
    }

    private var entries: ReservedArray<Entry>
    /// The place of each account's entry plus one; 0 is none.
    private var places: ReservedArray<Int32>
    private var free: Int32 = -1
    private var first: Int32 = -1
    private var last: Int32 = -1

    /// No accounts, and room for so many.
    init(capacity: Int) {
        entries = ReservedArray(capacity: capacity)
        places = ReservedArray(zeros: capacity)
    }

    /// Records a change of a binding now, or at the end of the span of an account that was told of lately.
    mutating func add(
        _ event: BindingEvent, _ place: Int32, _ binding: Binding, _ bindings: borrowing Bindings,
        _ accounts: inout AccountCache, _ bench: inout Bench
    ) {
        let account = AccountID(binding.account)
        let known = Int(places[Int(account.place)]) - 1
        guard known < 0 else {
            entries[known].count += 1
            entries[known].event = event
            entries[known].binding = place
            entries[known].flow = binding.flow
            return
        }
        accounts.retain(account)
        begin(account, bench.now.monotonic)
        Self.write(
            event, binding.flow, account, binding, leftOut: 0, bindings, accounts,
            &bench.effects.journal.records)
    }

    /// Tells of the accounts whose span is over, or of all, as far as the loop has room for the records; whether there
    /// are more.
    mutating func report(
        all: Bool, _ bindings: borrowing Bindings, _ accounts: inout AccountCache,
        _ bench: inout Bench
    ) -> Bool {
        while first >= 0, all || entries[Int(first)].end <= bench.now.monotonic {
            guard !bench.effects.journal.isHalfFull else { return true }
            let entry = takeFirst()
            if entry.count > 0 {
                let standing = entry.event.isEnd ? nil : bindings[entry.binding]
                let binding = standing?.account == entry.account.place ? standing : nil
                Self.write(
                    entry.event, entry.flow, entry.account, binding,
                    leftOut: UInt64(entry.count) - 1, bindings, accounts,
                    &bench.effects.journal.records)
            }
            if entry.count > 0, !all {
                begin(entry.account, bench.now.monotonic)
            } else {
                accounts.release(entry.account)
            }
        }
        return false
    }

    // MARK: Spans

    /// An account is told of now; there is a place for each.
    private mutating func begin(_ account: AccountID, _ now: Milliseconds) {
        let entry = Entry(account: account, end: now + Self.span)
        let place: Int32
        if free >= 0 {
            place = free
            free = entries[Int(place)].next
            entries[Int(place)] = entry
        } else {
            let isAdded = entries.append(entry)
            precondition(isAdded, "an account has two entries")
            place = Int32(entries.count - 1)
        }
        places[Int(account.place)] = place + 1
        if last >= 0 { entries[Int(last)].next = place } else { first = place }
        last = place
    }

    /// Takes the account whose span ends first; there must be one.
    private mutating func takeFirst() -> Entry {
        let place = first
        let entry = entries[Int(place)]
        places[Int(entry.account.place)] = 0
        first = entry.next
        if first < 0 { last = -1 }
        entries[Int(place)].next = free
        free = place
        return entry
    }

    // MARK: Writing

    /// Why a binding is revoked, by the row that its account has right now.
    private static func reason(
        _ binding: Binding, _ account: AccountID, _ accounts: borrowing AccountCache
    ) -> StaticString {
        if accounts.state(account) != .found { return ": its account is gone" }
        if !accounts.mayRegister(account) {
            return ": phones may not register its account any more"
        }
        if !accounts.admits(account, binding.flow.peer.ip) {
            return ": its account's access list shuts the address out"
        }
        return ": its account has another secret"
    }

    private static func write(
        _ event: BindingEvent, _ flow: Flow, _ account: AccountID, _ binding: Binding?,
        leftOut: UInt64, _ bindings: borrowing Bindings, _ accounts: borrowing AccountCache,
        _ records: inout RecordBatch
    ) {
        let name = accounts.name(account)
        records.begin(event.record, .info)
        records.append(name)
        records.append(" ")
        records.append(event.word)
        records.append(" from ")
        records.append(flow.peer.ip)
        records.append(" over ")
        records.append(text: flow.transport.name)
        if event == .revoked, let binding { records.append(reason(binding, account, accounts)) }
        if leftOut > 0 {
            records.append(", after ")
            records.append(decimal: leftOut)
            records.append(leftOut == 1 ? " change that was" : " changes that were")
            records.append(" left out")
        }
        records.field(.account)
        records.append(name)
        records.source(flow)
        if let binding {
            records.field(.contact)
            records.append(bindings.contact(binding))
            records.field(.userAgent)
            records.append(bindings.userAgent(binding))
        }
        if leftOut > 0 {
            records.field(.count)
            records.append(decimal: leftOut)
        }
        records.end()
    }
}
