package import Messages
package import Sys

/// One Contact that a REGISTER asks to bind, or to unbind when `expires` is 0.
struct ContactRequest: BitwiseCopyable {
    /// What tells it from the account's other bindings.
    var key: UInt64
    /// How long it is to last, as granted.
    var expires: Milliseconds
    /// Preference in thousandths.
    var q: UInt16
    /// Where the Contact URI begins; the instance with its reg-id follows it.
    var start: Int
    var contactLength: Int
    var instanceLength: Int
    /// The binding that it becomes, with its texts.
    var binding: Binding?
}

/// What an authenticated REGISTER asks for; one serves for all, in memory that is allocated once.
package struct RegisterRequest: ~Copyable {
    /// How many Contacts one may have.
    package static let maximumContacts = 10

    var contacts: [ContactRequest] = []
    /// Whether it was `Contact: *`.
    package var all = false
    private var texts = ByteBuffer(
        capacity: RegisterRequest.maximumContacts
            * (BindingTexts.longestContact + BindingTexts.longestInstance) + 1024)
    private var callIDLength = 0
    private var userAgentLength = 0
    var sequence: UInt32 = 0
    private var secret: UInt32 = 0
    private var isUnconfirmed = false
    /// The way it came.
    package private(set) var flow: Flow

    /// A request of nothing.
    package init() {
        flow = Flow(.udp, listener: 0, peer: SocketAddress(IPAddress(v4: 0), port: 0))
        contacts.reserveCapacity(Self.maximumContacts)
    }

    /// Becomes a request without Contacts, that came by a flow.
    package mutating func begin(
        callID: Span<UInt8>, sequence: UInt32, userAgent: Span<UInt8>, flow: Flow
    ) {
        let callID = callID.extracting(first: BindingTexts.longestCallID)
        let userAgent = userAgent.extracting(first: BindingTexts.longestUserAgent)
        contacts.removeAll(keepingCapacity: true)
        all = false
        texts.removeAll()
        texts.append(callID)
        texts.append(userAgent)
        callIDLength = callID.count
        userAgentLength = userAgent.count
        self.sequence = sequence
        self.flow = flow
    }

    /// It is proven by a secret of this mark, of a row whose source has confirmed it or not.
    package mutating func prove(secret: UInt32, isUnconfirmed: Bool) {
        self.secret = secret
        self.isUnconfirmed = isUnconfirmed
    }

    /// The binding that a Contact of it becomes, without its texts.
    func binding(
        of contact: ContactRequest, account: Int32, _ now: Milliseconds
    ) -> Binding {
        var binding = Binding(
            account: account, key: contact.key, sequence: sequence, secret: secret,
            expires: now + contact.expires, q: contact.q, flow: flow)
        binding.isUnconfirmed = isUnconfirmed
        return binding
    }

    /// Adds a Contact, with `+sip.instance` and `reg-id`, both empty without; at most `maximumContacts`.
    package mutating func add(
        key: UInt64, contact: Span<UInt8>, instance: Span<UInt8>, regID: Span<UInt8>,
        expires: Milliseconds, q: UInt16
    ) {
        let start = texts.count
        texts.append(contact)
        if !instance.isEmpty {
            texts.append(instance)
            texts.append(UInt8(ascii: ";"))
            texts.append(regID)
        }
        precondition(!texts.overflowed, "a Contact is longer than its bounds")
        contacts.append(
            ContactRequest(
                key: key, expires: expires, q: q, start: start, contactLength: contact.count,
                instanceLength: texts.count - start - contact.count))
    }

    /// How many Contacts it has.
    package var count: Int { contacts.count }

    /// Whether some Contact asks for outbound (RFC 5626).
    package var isOutbound: Bool {
        for position in contacts.indices where contacts[position].instanceLength > 0 {
            return true
        }
        return false
    }

    /// How many Contacts of outbound it binds.
    package var outboundFlows: Int {
        var flows = 0
        for position in contacts.indices
        where contacts[position].instanceLength > 0 && contacts[position].expires.count > 0 {
            flows += 1
        }
        return flows
    }

    /// The Call-ID, cut to what is kept of it.
    var callID: Span<UInt8> {
        @_lifetime(borrow self)
        get { texts.span(0, callIDLength) }
    }

    /// The texts of a Contact.
    @_lifetime(borrow self)
    func texts(of contact: ContactRequest) -> BindingTexts {
        BindingTexts(
            contact: texts.span(contact.start, contact.contactLength),
            instance: texts.span(contact.start + contact.contactLength, contact.instanceLength),
            callID: callID, userAgent: texts.span(callIDLength, userAgentLength))
    }

    /// Whether it binds something under a key.
    func binds(_ key: UInt64) -> Bool {
        position(key).map { contacts[$0].expires.count > 0 } ?? false
    }

    /// Whether it names a binding by its key.
    package func names(_ key: UInt64) -> Bool { position(key) != nil }

    /// The Contact of a key, or nil; of several one that binds.
    ///
    /// A phone whose network has changed binds its new address and gives back the old one, whose instance and
    /// reg-id are the same.
    func position(_ key: UInt64) -> Int? {
        var found: Int?
        for position in contacts.indices where contacts[position].key == key {
            if contacts[position].expires.count > 0 { return position }
            found = found ?? position
        }
        return found
    }
}

/// What became of a binding.
package enum BindingChange: Sendable {
    /// It is new.
    case added(Int32)
    /// It lasts longer, or the phone is reached another way; `isNewCall` when its REGISTER has another Call-ID, as that of
    /// a phone that was started anew.
    case refreshed(Int32, moved: Bool, isNewCall: Bool)
    /// It ended; it can be read until `Bindings.forgetRemoved`.
    case removed(Int32)
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
    /// `changes` says what it did.
    ///
    /// `limit` is how many bindings the account may have. Of a full account, a binding whose phone cannot
    /// be reached any more makes room.
    package mutating func apply(
        _ request: inout RegisterRequest, account: Int32, head: inout Int32, limit: Int,
        now: Milliseconds
    ) throws(RegisterRefusal) {
        forgetRemoved()
        var at = head
        var live = 0
        var dead = 0
        while let binding = self[at] {
            let named = request.position(binding.key)
            let touched = request.all || named != nil
            // What the request itself ends takes no room from what it adds.
            let ends = named.map { request.contacts[$0].expires.count == 0 } ?? false
            if !ends { live += 1 }
            if !binding.reachable, !touched { dead += 1 }
            if touched, request.sequence < binding.sequence,
                callID(binding).isEqual(to: request.callID)
            {
                throw .outOfOrder
            }
            at = binding.next
        }
        var added = 0
        for position in request.contacts.indices {
            let contact = request.contacts[position]
            // Of an equal key twice the first that binds counts.
            if contact.expires.count > 0, request.position(contact.key) == position,
                find(contact.key, head: head) == nil
            {
                added += 1
            }
        }
        guard added == 0 || live + added - dead <= limit else { throw .tooMany }
        guard count + added <= capacity, prepare(&request, account, now) else { throw .full }
        if request.all {
            while head >= 0 { remove(head, head: &head) }
        }
        while live + added > limit, let index = unreachable(request, head) {
            remove(index, head: &head)
            live -= 1
        }
        for position in request.contacts.indices {
            let contact = request.contacts[position]
            let isOutdone = contact.binding == nil && request.binds(contact.key)
            if !isOutdone { bind(contact, &head) }
        }
    }

    /// Stores the texts of every binding that is to be; false, and nothing stored, when there is no room.
    private mutating func prepare(
        _ request: inout RegisterRequest, _ account: Int32, _ now: Milliseconds
    ) -> Bool {
        for position in request.contacts.indices where request.contacts[position].expires.count > 0
        {
            let contact = request.contacts[position]
            var binding = request.binding(of: contact, account: account, now)
            guard store(request.texts(of: contact), of: &binding) else {
                for earlier in 0..<position {
                    if var stored = request.contacts[earlier].binding { discard(&stored) }
                }
                return false
            }
            request.contacts[position].binding = binding
        }
        return true
    }

    /// The account's oldest binding that cannot be reached and that the request does not name.
    private func unreachable(_ request: borrowing RegisterRequest, _ head: Int32) -> Int32? {
        var found: Int32?
        var at = head
        while let binding = self[at] {
            if !binding.reachable, request.position(binding.key) == nil { found = at }
            at = binding.next
        }
        return found
    }

    /// Adds, refreshes or removes one binding; there is room for it.
    private mutating func bind(_ contact: ContactRequest, _ head: inout Int32) {
        let found = find(contact.key, head: head)
        guard let binding = contact.binding else {
            if let found { remove(found, head: &head) }
            return
        }
        guard let found, let old = self[found] else {
            if let index = add(binding, head: &head) { changes.append(.added(index)) }
            return
        }
        let isNewCall = !callID(old).isEqual(to: callID(binding))
        replace(found, by: binding)
        changes.append(
            .refreshed(found, moved: old.flow != binding.flow, isNewCall: isNewCall))
    }
}
