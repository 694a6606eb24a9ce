package import Reactor
package import Sys

/// One Contact of an account, and how its phone is reached.
package struct Binding: Sendable {
    /// The number of the account it belongs to.
    package var account: Int32
    /// What tells the account's bindings apart.
    package var key: UInt64
    /// The Contact URI.
    package var contact: [UInt8]
    /// The instance and reg-id, empty without (RFC 5626).
    package var instance: [UInt8]
    /// The Call-ID of the REGISTER that made or refreshed it.
    package var callID: [UInt8]
    /// That REGISTER's CSeq.
    package var sequence: UInt32
    /// The User-Agent.
    package var userAgent: [UInt8]
    /// When it ends, on the monotonic clock.
    package var expires: Milliseconds
    /// Preference in thousandths.
    package var q: UInt16
    /// The way to the phone.
    package var flow: Flow
    /// Whether the way is open: false once the connection has closed.
    package var reachable: Bool
    /// The next binding of the account, -1 at the end.
    package fileprivate(set) var next: Int32 = -1
    /// The timer of its end.
    package var timer = TimerHandle.none

    /// A binding of its parts, not in a list yet.
    package init(
        account: Int32, key: UInt64, contact: [UInt8], instance: [UInt8], callID: [UInt8],
        sequence: UInt32, userAgent: [UInt8], expires: Milliseconds, q: UInt16, flow: Flow
    ) {
        self.account = account
        self.key = key
        self.contact = contact
        self.instance = instance
        self.callID = callID
        self.sequence = sequence
        self.userAgent = userAgent
        self.expires = expires
        self.q = q
        self.flow = flow
        reachable = true
    }

    /// Whether another binding is a flow of the same phone: the same instance, whatever the reg-id.
    package func isOfSamePhone(as other: Binding) -> Bool {
        guard let end = instance.lastIndex(of: UInt8(ascii: ";")),
            other.instance.lastIndex(of: UInt8(ascii: ";")) == end
        else { return false }
        return instance[..<end] == other.instance[..<end]
    }
}

/// All bindings, in one array of a fixed capacity, each account's in a list.
package struct Bindings: ~Copyable {
    private var entries: [Binding?] = []
    private var free: [Int32] = []
    /// How many bindings there are by each flow of UDP, under a hash that nobody outside can compute.
    private var flows: [UInt64: UInt32] = [:]
    let capacity: Int
    /// How many there are.
    package private(set) var count = 0

    /// No bindings, and room for so many.
    package init(capacity: Int) { self.capacity = capacity }

    /// Binding `index`, or nil when it is gone.
    package subscript(index: Int32) -> Binding? {
        index >= 0 && Int(index) < entries.count ? entries[Int(index)] : nil
    }

    /// Every binding's number.
    package var indices: [Int32] {
        entries.indices.filter { entries[$0] != nil }.map { Int32($0) }
    }

    /// Puts a binding at the head of an account's list; nil when there is no room.
    package mutating func add(_ binding: Binding, head: inout Int32) -> Int32? {
        var binding = binding
        binding.next = head
        if let index = free.popLast() {
            entries[Int(index)] = binding
            head = index
        } else {
            guard entries.count < capacity else { return nil }
            entries.append(binding)
            head = Int32(entries.count - 1)
        }
        count += 1
        enter(binding.flow)
        return head
    }

    /// Whether some binding came by a flow of UDP.
    package func hasFlow(_ flow: Flow) -> Bool { flows[Self.hash(flow)] != nil }

    private static func hash(_ flow: Flow) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(flow)
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }

    private mutating func enter(_ flow: Flow) {
        if flow.connection == 0 { flows[Self.hash(flow), default: 0] += 1 }
    }

    private mutating func leave(_ flow: Flow) {
        guard flow.connection == 0 else { return }
        let hash = Self.hash(flow)
        let left = flows[hash, default: 1] - 1
        flows[hash] = left == 0 ? nil : left
    }

    /// Replaces the parts of a binding, which keeps its place in the list.
    package mutating func update(_ index: Int32, _ binding: Binding) {
        guard let old = entries[Int(index)] else { return }
        if old.flow != binding.flow {
            leave(old.flow)
            enter(binding.flow)
        }
        let next = old.next
        entries[Int(index)] = binding
        entries[Int(index)]?.next = next
    }

    /// Says whether the way to the phone is open.
    package mutating func setReachable(_ index: Int32, _ reachable: Bool) {
        entries[Int(index)]?.reachable = reachable
    }

    /// Takes a binding out of its account's list.
    package mutating func remove(_ index: Int32, head: inout Int32) {
        guard let binding = self[index] else { return }
        if head == index {
            head = binding.next
        } else {
            var at = head
            while at >= 0, let entry = entries[Int(at)] {
                if entry.next == index {
                    entries[Int(at)]?.next = binding.next
                    break
                }
                at = entry.next
            }
        }
        leave(binding.flow)
        entries[Int(index)] = nil
        free.append(index)
        count -= 1
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
}
