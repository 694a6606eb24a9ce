internal import Journal
internal import Messages
internal import Registrar
internal import Sys

/// How a binding came, changed or went.
enum RegistrationChange: UInt8, BitwiseCopyable {
    case registered, moved, unregistered, expired

    /// Whether the binding is gone.
    var isEnd: Bool { self == .unregistered || self == .expired }

    /// The word for it in a record.
    var word: StaticString {
        switch self {
        case .registered: "registered"
        case .moved: "moved"
        case .unregistered: "unregistered"
        case .expired: "expired"
        }
    }
}

/// The accounts that the journal was told of within the last ten seconds, and what has changed of each since: a phone
/// that registers in a loop makes a record a span, and its last state is told.
///
/// All spans are of one length, so they end in the order in which they begin.
struct RegistrationRecords: ~Copyable {
    /// For how long an account that was told of is told of no more.
    static let span = Milliseconds.seconds(10)
    private static let never = Milliseconds(.max)

    /// What has changed of an account since it was told of.
    struct Entry: BitwiseCopyable {
        var account: Int32
        /// When its span ends.
        var end: Milliseconds
        /// How many changes there were.
        var count: UInt32 = 0
        /// The last one.
        var change = RegistrationChange.registered
        /// Of which binding.
        var binding: Int32 = -1
        /// By which way its phone was reached.
        var flow = Flow(.udp, listener: 0, peer: SocketAddress(IPAddress(v4: 0), port: 0))
        /// The place of the account that was told of next, or the next free place; -1 at the end.
        fileprivate var next: Int32 = -1
    }

    private var entries: ReservedArray<Entry>
    private var free: Int32 = -1
    private var first: Int32 = -1
    private var last: Int32 = -1
    /// When the first span ends.
    private(set) var due = RegistrationRecords.never

    /// No accounts, and room for so many.
    init(capacity: Int) { entries = ReservedArray(capacity: capacity) }

    /// Whether no account has a span.
    var isEmpty: Bool { first < 0 }

    /// An account is told of now; its place, or -1 when there is none left.
    mutating func begin(_ account: Int32, _ now: Milliseconds) -> Int32 {
        let entry = Entry(account: account, end: now + Self.span)
        let place: Int32
        if free >= 0 {
            place = free
            free = entries[Int(place)].next
            entries[Int(place)] = entry
        } else {
            guard entries.append(entry) else { return -1 }
            place = Int32(entries.count - 1)
        }
        if last >= 0 { entries[Int(last)].next = place } else { first = place }
        last = place
        due = entries[Int(first)].end
        return place
    }

    /// An account that was told of has changed.
    mutating func add(
        _ change: RegistrationChange, _ binding: Int32, _ flow: Flow, at place: Int32
    ) {
        entries[Int(place)].count += 1
        entries[Int(place)].change = change
        entries[Int(place)].binding = binding
        entries[Int(place)].flow = flow
    }

    /// Takes the account whose span ends first; there must be one.
    mutating func takeFirst() -> Entry {
        let place = first
        let entry = entries[Int(place)]
        first = entry.next
        if first < 0 { last = -1 }
        due = first < 0 ? Self.never : entries[Int(first)].end
        entries[Int(place)].next = free
        free = place
        return entry
    }
}

/// Telling the journal of bindings.
extension Router {
    /// Records a change of a binding now, or at the end of the span of an account that was told of lately.
    mutating func note(_ change: RegistrationChange, _ index: Int32, _ binding: Binding) {
        let account = binding.account
        let place = accounts[account].changed
        guard place < 0 else {
            registrationRecords.add(change, index, binding.flow, at: place)
            return
        }
        accounts[account].changed = registrationRecords.begin(account, bench.now.monotonic)
        Self.record(
            &bench.effects.journal.records, accounts, bindings, account, change, binding.flow,
            binding, 0)
    }

    /// Tells of the accounts whose span is over, or of all, as far as the loop has room for the records; whether there
    /// are more.
    @discardableResult
    package mutating func tellRegistrations(all: Bool = false) -> Bool {
        while !registrationRecords.isEmpty, all || registrationRecords.due <= bench.now.monotonic {
            guard !bench.effects.journal.isHalfFull else { return true }
            let entry = registrationRecords.takeFirst()
            accounts[entry.account].changed = -1
            guard entry.count > 0 else {
                accounts.forgetIfIdle(entry.account)
                continue
            }
            let standing = entry.change.isEnd ? nil : bindings[entry.binding]
            let binding = standing?.account == entry.account ? standing : nil
            Self.record(
                &bench.effects.journal.records, accounts, bindings, entry.account, entry.change,
                entry.flow,
                binding,
                UInt64(entry.count) - 1)
            if !all {
                accounts[entry.account].changed = registrationRecords.begin(
                    entry.account, bench.now.monotonic)
            }
        }
        return false
    }

    private static func record(
        _ records: inout RecordBatch, _ accounts: borrowing Accounts,
        _ bindings: borrowing Bindings, _ account: Int32, _ change: RegistrationChange,
        _ flow: Flow, _ binding: Binding?, _ leftOut: UInt64
    ) {
        let name = accounts.name(account)
        records.begin(change.isEnd ? .unregistered : .registered, .info)
        records.append(name)
        records.append(" ")
        records.append(change.word)
        records.append(" from ")
        records.append(flow.peer.ip)
        records.append(" over ")
        records.append(text: flow.transport.name)
        if leftOut > 0 {
            records.append(", after ")
            records.append(decimal: leftOut)
            records.append(" changes that were left out")
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
