package import Sys

/// One Contact that a REGISTER asks to bind, or to unbind when `expires` is 0.
package struct ContactRequest: Sendable {
    /// What tells it from the account's other bindings.
    package var key: UInt64
    /// The Contact URI.
    package var contact: [UInt8]
    /// The instance and reg-id, empty without.
    package var instance: [UInt8]
    /// How long it is to last, as granted.
    package var expires: Milliseconds
    /// Preference in thousandths.
    package var q: UInt16

    /// A request of its parts.
    package init(
        key: UInt64, contact: [UInt8], instance: [UInt8], expires: Milliseconds, q: UInt16
    ) {
        self.key = key
        self.contact = contact
        self.instance = instance
        self.expires = expires
        self.q = q
    }
}

/// What an authenticated REGISTER asks for.
package struct RegisterRequest: Sendable {
    /// The Contacts.
    package var contacts: [ContactRequest] = []
    /// Whether it was `Contact: *`.
    package var all = false
    /// The Call-ID.
    package var callID: [UInt8]
    /// The CSeq number.
    package var sequence: UInt32
    /// The User-Agent, empty without.
    package var userAgent: [UInt8]
    /// The way it came.
    package var flow: Flow

    /// A request without Contacts.
    package init(callID: [UInt8], sequence: UInt32, userAgent: [UInt8], flow: Flow) {
        self.callID = callID
        self.sequence = sequence
        self.userAgent = userAgent
        self.flow = flow
    }
}

/// What became of a binding.
package enum BindingChange: Sendable {
    /// It is new.
    case added(Int32)
    /// It lasts longer, or the phone is reached another way.
    case refreshed(Int32, moved: Bool)
    /// It ended.
    case removed(Binding)
}

/// Why a REGISTER changed nothing.
package enum RegisterRefusal: Error, Sendable {
    /// An older request than the one before it (RFC 3261 section 10.3 item 7): 500.
    case outOfOrder
    /// The account has as many bindings as it may have: 403.
    case tooMany
    /// The table is full: 503.
    case full
}

extension Bindings {
    /// Carries out a REGISTER: all of it, or nothing (RFC 3261 section 10.3).
    ///
    /// `limit` is how many bindings the account may have. Of a full account, a binding whose phone cannot
    /// be reached any more makes room.
    package mutating func apply(
        _ request: RegisterRequest, account: Int32, head: inout Int32, limit: Int,
        now: Milliseconds
    ) throws(RegisterRefusal) -> [BindingChange] {
        var at = head
        var held = 0
        var dead: [Int32] = []
        while let binding = self[at] {
            let named = request.contacts.first { $0.key == binding.key }
            let touched = request.all || named != nil
            // What the request itself ends takes no room from what it adds.
            if named?.expires.count != 0 { held += 1 }
            if !binding.reachable, !touched { dead.append(at) }
            if touched, binding.callID == request.callID, request.sequence < binding.sequence {
                throw .outOfOrder
            }
            at = binding.next
        }
        let existing = head
        let added = request.contacts.count { contact in
            contact.expires.count > 0 && find(contact.key, head: existing) == nil
        }
        guard added == 0 || held + added - dead.count <= limit else { throw .tooMany }
        guard count + added <= capacity else { throw .full }
        var changes: [BindingChange] = []
        if request.all {
            while let binding = self[head] {
                remove(head, head: &head)
                changes.append(.removed(binding))
            }
        }
        while held + added > limit, let index = dead.popLast() {
            if let binding = self[index] { changes.append(.removed(binding)) }
            remove(index, head: &head)
            held -= 1
        }
        for contact in request.contacts {
            changes += bind(contact, request, account, &head, now)
        }
        return changes
    }

    /// Adds, refreshes or removes one binding; there is room for it.
    private mutating func bind(
        _ contact: ContactRequest, _ request: RegisterRequest, _ account: Int32,
        _ head: inout Int32, _ now: Milliseconds
    ) -> [BindingChange] {
        let found = find(contact.key, head: head)
        guard contact.expires.count > 0 else {
            guard let found, let binding = self[found] else { return [] }
            remove(found, head: &head)
            return [.removed(binding)]
        }
        var binding = Binding(
            account: account, key: contact.key, contact: contact.contact,
            instance: contact.instance, callID: request.callID, sequence: request.sequence,
            userAgent: request.userAgent, expires: now + contact.expires, q: contact.q,
            flow: request.flow)
        guard let found, let old = self[found] else {
            return add(binding, head: &head).map { [.added($0)] } ?? []
        }
        binding.timer = old.timer
        update(found, binding)
        return [.refreshed(found, moved: old.flow != binding.flow)]
    }
}
