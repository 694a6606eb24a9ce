package import Messages
package import Reactor
package import Sys

/// One Contact of an account, and how its phone is reached; its texts are asked of `Bindings`.
package struct Binding: BitwiseCopyable, Sendable {
    /// The way to the phone.
    package var flow: Flow
    /// What tells the account's bindings apart.
    package var key: UInt64
    /// When it ends, on the monotonic clock.
    package var expires: Milliseconds
    /// The timer of its end.
    package var timer = TimerHandle.none
    /// The number of the account it belongs to; -1 marks a place that is free.
    package fileprivate(set) var account: Int32
    /// The next binding of the account, or the next free place; -1 at the end.
    package fileprivate(set) var next: Int32 = -1
    /// The CSeq of the REGISTER that made or refreshed it.
    package var sequence: UInt32
    /// The mark of the secret that proved its REGISTER; 0 when it is not known.
    package let secret: UInt32
    /// Contact URI, instance with reg-id, Call-ID and User-Agent, one behind the other.
    fileprivate var text = Text.none
    fileprivate var contactLength: UInt16 = 0
    fileprivate var instanceLength: UInt8 = 0
    fileprivate var callIDLength: UInt8 = 0
    /// Preference in thousandths; the highest bit says that the way is closed, the next one that the row which proved
    /// the REGISTER was not confirmed.
    private var preference: UInt16

    /// A binding without texts, not in a list yet.
    package init(
        account: Int32, key: UInt64, sequence: UInt32, secret: UInt32, expires: Milliseconds,
        q: UInt16, flow: Flow
    ) {
        self.account = account
        self.key = key
        self.sequence = sequence
        self.secret = secret
        self.expires = expires
        self.flow = flow
        preference = min(q, 1000)
    }

    /// Preference in thousandths.
    package var q: UInt16 { preference & 0x3FFF }

    /// Whether the row that proved its REGISTER was not confirmed, and has not been since.
    package var isUnconfirmed: Bool {
        get { preference & 0x4000 != 0 }
        set { preference = newValue ? preference | 0x4000 : preference & 0xBFFF }
    }

    /// Whether the way is open: false once the connection has closed.
    package var reachable: Bool {
        get { preference & 0x8000 == 0 }
        set { preference = newValue ? preference & 0x7FFF : preference | 0x8000 }
    }
}

/// What a phone says of itself in a REGISTER and is kept with its binding.
package struct BindingTexts: ~Escapable {
    /// The longest Contact URI, in bytes.
    package static let longestContact = Bounds.longestContact
    /// The longest instance with its reg-id, in bytes.
    package static let longestInstance = 128
    /// The longest Call-ID that is kept whole, in bytes; of a longer one the beginning counts.
    package static let longestCallID = 255
    /// How much of a User-Agent is kept, in bytes.
    package static let longestUserAgent = 128

    /// The Contact URI.
    package let contact: Span<UInt8>
    /// The instance and reg-id, empty without (RFC 5626).
    package let instance: Span<UInt8>
    /// The Call-ID of the REGISTER that made or refreshed the binding.
    package let callID: Span<UInt8>
    /// The User-Agent.
    package let userAgent: Span<UInt8>

    /// Texts within their bounds; what is longer is cut.
    @_lifetime(copy contact, copy instance, copy callID, copy userAgent)
    package init(
        contact: Span<UInt8>, instance: Span<UInt8>, callID: Span<UInt8>, userAgent: Span<UInt8>
    ) {
        self.contact = contact.extracting(first: Self.longestContact)
        self.instance = instance.extracting(first: Self.longestInstance)
        self.callID = callID.extracting(first: Self.longestCallID)
        self.userAgent = userAgent.extracting(first: Self.longestUserAgent)
    }
}

/// All bindings, in one array of a fixed capacity, each account's in a list.
package struct Bindings: ~Copyable {
    private var entries: ReservedArray<Binding>
    private var texts: TextStore
    /// The first free place, -1 when none has been freed.
    private var free: Int32 = -1
    /// The bindings that came by a flow of UDP.
    private struct FlowUse {
        var count: UInt32
        /// The place of the last one that came by it, which may have moved.
        var place: Int32
    }

    /// The bindings by each flow of UDP, under a hash that nobody outside can compute.
    private var flows: [UInt64: FlowUse] = [:]
    /// How many there may be.
    package let capacity: Int
    /// How many there are.
    package private(set) var count = 0
    /// What the last REGISTER, or the last expiry, has changed.
    package internal(set) var changes: [BindingChange] = []

    /// No bindings, and room for so many.
    package init(capacity: Int) {
        self.capacity = capacity
        entries = ReservedArray(capacity: capacity)
        // Each may have texts of the greatest length, and be refreshed with others at the same time.
        texts = TextStore(capacity: (capacity + 16) * TextStore.longest)
    }

    /// Binding `index`, or nil when it is gone.
    package subscript(index: Int32) -> Binding? {
        guard index >= 0, Int(index) < entries.count, entries[Int(index)].account >= 0 else {
            return nil
        }
        return entries[Int(index)]
    }

    /// How many places have been used; some are free again.
    package var places: Int { entries.count }

    /// Every binding's number.
    package var indices: [Int32] { (0..<Int32(entries.count)).filter { self[$0] != nil } }

    // MARK: Texts

    /// The Contact URI of a binding.
    @_lifetime(borrow self)
    package func contact(_ binding: Binding) -> Span<UInt8> {
        texts.span(binding.text, 0, Int(binding.contactLength))
    }

    /// The instance and reg-id of a binding, empty without.
    @_lifetime(borrow self)
    package func instance(_ binding: Binding) -> Span<UInt8> {
        texts.span(binding.text, Int(binding.contactLength), Int(binding.instanceLength))
    }

    /// The Call-ID of the REGISTER that made or refreshed a binding.
    @_lifetime(borrow self)
    package func callID(_ binding: Binding) -> Span<UInt8> {
        let start = Int(binding.contactLength) + Int(binding.instanceLength)
        return texts.span(binding.text, start, Int(binding.callIDLength))
    }

    /// The User-Agent of a binding.
    @_lifetime(borrow self)
    package func userAgent(_ binding: Binding) -> Span<UInt8> {
        let start =
            Int(binding.contactLength) + Int(binding.instanceLength) + Int(binding.callIDLength)
        return texts.span(binding.text, start, Int(binding.text.length) - start)
    }

    /// Whether two bindings are flows of one phone: the same instance, whatever the reg-id.
    package func isSamePhone(_ one: Int32, _ other: Int32) -> Bool {
        guard let first = self[one], let second = self[other] else { return false }
        let a = instance(first)
        let b = instance(second)
        guard let end = a.lastIndex(of: UInt8(ascii: ";")),
            b.lastIndex(of: UInt8(ascii: ";")) == end
        else { return false }
        return a.extracting(0..<end).isEqual(to: b.extracting(0..<end))
    }

    /// Keeps a binding's texts; false when there is no room.
    mutating func store(_ kept: BindingTexts, of binding: inout Binding) -> Bool {
        guard
            let text = texts.store(kept.contact, kept.instance, kept.callID, kept.userAgent)
        else { return false }
        binding.text = text
        binding.contactLength = UInt16(kept.contact.count)
        binding.instanceLength = UInt8(kept.instance.count)
        binding.callIDLength = UInt8(kept.callID.count)
        return true
    }

    /// Gives the texts back of a binding that does not come to be.
    mutating func discard(_ binding: inout Binding) { texts.release(&binding.text) }

    // MARK: Changes

    /// Puts a binding at the head of an account's list; nil when there is no room.
    package mutating func add(
        _ binding: Binding, _ texts: BindingTexts, head: inout Int32
    ) -> Int32? {
        var binding = binding
        guard store(texts, of: &binding) else { return nil }
        guard let index = add(binding, head: &head) else {
            discard(&binding)
            return nil
        }
        return index
    }

    /// Puts a binding that has its texts at the head of an account's list; nil when there is no room.
    mutating func add(_ binding: Binding, head: inout Int32) -> Int32? {
        var binding = binding
        binding.next = head
        if free >= 0 {
            let index = free
            free = entries[Int(index)].next
            entries[Int(index)] = binding
            head = index
        } else {
            guard entries.append(binding) else { return nil }
            head = Int32(entries.count - 1)
        }
        count += 1
        enter(binding.flow, head)
        return head
    }

    /// Replaces a binding by one that has its texts and takes its place in the list.
    mutating func replace(_ index: Int32, by binding: Binding) {
        let old = entries[Int(index)]
        if old.flow != binding.flow {
            leave(old.flow)
            enter(binding.flow, index)
        } else {
            // The one that came last by it may have gone.
            refer(binding.flow, to: index)
        }
        texts.release(&entries[Int(index)].text)
        var binding = binding
        binding.next = old.next
        binding.timer = old.timer
        entries[Int(index)] = binding
    }

    /// Says whether the way to the phone is open.
    package mutating func setReachable(_ index: Int32, _ reachable: Bool) {
        entries[Int(index)].reachable = reachable
    }

    /// The row that proved a binding's REGISTER has been confirmed since.
    package mutating func confirm(_ index: Int32) { entries[Int(index)].isUnconfirmed = false }

    /// Says which timer is that of a binding's end.
    package mutating func setTimer(_ index: Int32, _ timer: TimerHandle) {
        entries[Int(index)].timer = timer
    }

    /// Takes a binding that has run out from its account's list.
    package mutating func expire(_ index: Int32, head: inout Int32) {
        forgetRemoved()
        remove(index, head: &head)
    }

    /// Takes those of an account's bindings out of its list that a condition holds for; they can be read until
    /// `forgetRemoved`.
    package mutating func remove(head: inout Int32, where ends: (Binding) -> Bool) {
        forgetRemoved()
        var at = head
        while let binding = self[at] {
            if ends(binding) { remove(at, head: &head) }
            at = binding.next
        }
    }

    /// Takes a binding out of its account's list; it can be read until `forgetRemoved`.
    mutating func remove(_ index: Int32, head: inout Int32) {
        let binding = entries[Int(index)]
        if head == index {
            head = binding.next
        } else {
            var at = head
            while at >= 0 {
                let next = entries[Int(at)].next
                if next == index {
                    entries[Int(at)].next = binding.next
                    break
                }
                at = next
            }
        }
        leave(binding.flow)
        count -= 1
        changes.append(.removed(index))
    }

    /// Frees the places of what the last change has removed, and forgets that change.
    package mutating func forgetRemoved() {
        for position in changes.indices {
            guard case .removed(let index) = changes[position] else { continue }
            texts.release(&entries[Int(index)].text)
            entries[Int(index)].account = -1
            entries[Int(index)].next = free
            free = index
        }
        changes.removeAll(keepingCapacity: true)
    }

    /// The number of the account's binding of a key, or nil.
    package func find(_ key: UInt64, head: Int32) -> Int32? {
        var at = head
        while let binding = self[at] {
            if binding.key == key { return at }
            at = binding.next
        }
        return nil
    }

    // MARK: Flows

    /// Whether some binding came by a flow of UDP.
    package func hasFlow(_ flow: Flow) -> Bool { flows[Self.hash(flow)] != nil }

    /// The place of the binding that came last by a flow of UDP; nil without one.
    package func place(by flow: Flow) -> Int32? {
        guard let place = flows[Self.hash(flow)]?.place, self[place]?.flow == flow else {
            return nil
        }
        return place
    }

    private static func hash(_ flow: Flow) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(flow)
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }

    private mutating func enter(_ flow: Flow, _ place: Int32) {
        guard !flow.transport.isStream else { return }
        let hash = Self.hash(flow)
        flows[hash] = FlowUse(count: (flows[hash]?.count ?? 0) + 1, place: place)
    }

    private mutating func refer(_ flow: Flow, to place: Int32) {
        guard !flow.transport.isStream else { return }
        // Read and written apart: a change in place asks the allocator for three coroutine frames.
        let hash = Self.hash(flow)
        guard let use = flows[hash], use.place != place else { return }
        flows[hash] = FlowUse(count: use.count, place: place)
    }

    private mutating func leave(_ flow: Flow) {
        guard !flow.transport.isStream else { return }
        let hash = Self.hash(flow)
        guard let use = flows[hash] else { return }
        flows[hash] = use.count > 1 ? FlowUse(count: use.count - 1, place: use.place) : nil
    }
}

extension Span<UInt8> {
    /// At most the first `limit` bytes.
    @_lifetime(copy self)
    func extracting(first limit: Int) -> Span<UInt8> { extracting(0..<Swift.min(count, limit)) }

    /// Whether the bytes are the same.
    func isEqual(to other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for index in indices where self[index] != other[index] { return false }
        return true
    }

    /// Where a byte stands last, or nil.
    package func lastIndex(of byte: UInt8) -> Int? {
        var index = count - 1
        while index >= 0, self[index] != byte { index -= 1 }
        return index < 0 ? nil : index
    }
}
