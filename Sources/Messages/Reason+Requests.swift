/// The reasons of refused requests.
extension Reason {
    private static let wrongSoftware =
        "A device of yours: correct or update it. Otherwise it is an attack, and needs nothing."

    static let malformed: [Reason] = [
        ("empty", "The message has no line."),
        ("start-line", "The first line is that of no request and no answer."),
        ("version", "The version is not SIP/2.0."),
        ("control-character", "A control character stands where none may."),
        ("bare-line-end", "A line ends with CR or LF alone, which two parsers read in two ways."),
        ("header-name", "The name of a header field is none."),
        ("too-many-headers", "There are more header fields than are read."),
        ("header-too-long", "A header field is longer than is read."),
        ("unterminated-header", "The header fields do not end."),
        ("doubled-header", "A field that may stand once stands twice."),
        ("missing-header", "A field is missing that every message has."),
        ("via", "A Via cannot be read."),
        ("address", "From, To, Contact or another address cannot be read."),
        ("uri", "A URI cannot be read."),
        ("call-id", "The Call-ID is none."),
        ("cseq", "CSeq is none, or names another method."),
        ("number", "A field that is a number holds none."),
        ("content-length", "Content-Length does not fit the message."),
        ("too-long", "The message is longer than is read."),
        ("contact", "A Contact cannot be read."),
        ("parameter", "A parameter cannot be read."),
        ("value", "A field's value is outside its grammar."),
    ].map { Reason(.malformed, "malformed-\($0)", $1, wrongSoftware) }

    static let requests: [Reason] = [
        Reason(
            .request, "unknown-method", "The method is none that is served (501).", wrongSoftware),
        Reason(
            .request, "sips-in-clear",
            "A sips: URI was asked for over a transport without TLS (416).",
            "Have the phone use TLS, or sip: URIs."),
        Reason(
            .request, "scheme", "The URI asked for is neither sip: nor tel: (416).", wrongSoftware),
        Reason(
            .request, "from-scheme", "From is of another scheme than sip: (416).", wrongSoftware),
        Reason(
            .request, "foreign-domain", "The domain is none of `domains`.",
            "A phone of yours: write the domain in it as in `domains`, or add it there."),
        Reason(
            .request, "dial-string", "What is called is no number and no name that can be dialled.",
            "Look at the phone's dial plan."),
        Reason(.request, "max-forwards", "The request has come through too many proxies (483)."),
        Reason(.request, "max-breadth", "The request has been forked too often (440)."),
        Reason(
            .request, "loop", "The request has been here before (482).",
            "Look where Asterisk or a forwarding sends it."),
        Reason(.request, "merged", "The request came twice by two paths (482)."),
        Reason(.request, "extension", "An extension is required that is not supported (420)."),
        Reason(
            .request, "several-contacts", "A request that begins a dialog has several Contacts."),
        Reason(
            .request, "session-description",
            "The session description has not the form it must (488).",
            wrongSoftware),
        Reason(.request, "too-long", "The request is too long to be kept (513)."),
        Reason(
            .request, "digest-uri",
            "The credentials name another URI than the request, or none of ours (400).",
            wrongSoftware),
        Reason(
            .request, "profile", "A profile does not permit this source the method or call.",
            "`rempart explain ADDRESS` names the profile; it is a key of `profiles`."),
        Reason(
            .request, "scanner", "The message is written as only a scanner writes.",
            "A device of yours: name its network in defence.allow."),
        Reason(.request, "no-dialog", "The request is for a call that is not known (481)."),
        Reason(
            .request, "asterisk-gone",
            "The call's Asterisk is not among asterisk.servers any more (481)."),
        Reason(
            .request, "old-token",
            "The call began before an upgrade that bound tokens to dialogs, over four hours ago (481)."
        ),
        Reason(
            .request, "foreign-token",
            "The request has a token of another dialog, or one that was never made here."),
        Reason(
            .request, "other-account", "The request is for what belongs to another account (403).",
            "The phone registers a name other than its user name: make them one."),
        Reason(
            .request, "ack-from-elsewhere",
            "An ACK came from another address than the call's phone."),
        Reason(
            .request, "no-asterisk", "No Asterisk answers, so the request cannot go on (503).",
            "See `rempart status`, and whether Asterisk answers OPTIONS of the edge."),
        Reason(
            .request, "register-from-inside",
            "An Asterisk sent a REGISTER to an inside endpoint (405).",
            "To register at a provider, use a trunk: see rempart.yaml(5)."),
        Reason(
            .request, "flow-failed", "The connection that a call is for is over (430).",
            "The phone has to connect again."),
        Reason(
            .request, "not-registered", "Asterisk calls an account with no phone registered (480)."),
    ]

    static let registrations: [Reason] = [
        Reason(
            .registration, "may-not-register",
            "The account is not one that phones register for (403).",
            "Give it host=dynamic (chan_sip), or an AOR with max_contacts of at least 1 (PJSIP)."),
        Reason(
            .registration, "contact-acl",
            "The account's contact lists do not permit the address (403).",
            "Look at contactpermit, contactdeny and contact_acl of the account."),
        Reason(
            .registration, "contact",
            "A Contact cannot be bound (400): it leads here, or is no address.",
            wrongSoftware),
        Reason(
            .registration, "not-first-hop",
            "Outbound (RFC 5626) was asked for through another proxy (439)."),
        Reason(
            .registration, "interval-too-brief",
            "The lifetime is below registration.minimum (423); phones ask again with a longer one."),
        Reason(
            .registration, "register-out-of-order",
            "A REGISTER came after a later one of the same phone (500)."),
        Reason(
            .registration, "too-many-bindings",
            "The account has as many phones as registration.contacts permits (403).",
            "`rempart phones` shows them; raise registration.contacts if they are right."),
    ]

    static let passwords: [Reason] = [
        Reason(
            .password, "wrong-password", "The password is wrong.",
            "Compare the phone's password, user name and realm with the account's."),
        Reason(
            .password, "unknown-account", "There is no such account, or it has no password.",
            "Look for the name in the account database; see accounts.schema."),
        Reason(
            .password, "acl",
            "The password is right, but the account's permit, deny or acl do not let the address in.",
            "Look at those columns, and at accounts.acl-order."),
        Reason(
            .password, "account-held",
            "Five wrong passwords were given for this account from this address; it is not looked at"
                + " there for a while.",
            "Correct the phone; the flows by which the account is registered go on."),
        Reason(
            .password, "account-guarded",
            "The account's password is being guessed from many addresses; few tries are looked at.",
            "A new phone may have to try again; registered ones go on."),
        Reason(
            .password, "too-many-at-once", "Too many requests of the account wait for directory."),
        Reason(
            .password, "look-ups",
            "Too many names are tried at the moment by this source or by all (503)."),
        Reason(.password, "repeated", "The copy of a request whose original waits for its answer."),
        Reason(
            .password, "database-down",
            "The account database cannot be read, so no password is (503).",
            "`rempart status` says why."),
    ]

    static let calls: [Reason] = [
        Reason(
            .call, "account-barred",
            "The account is barred from calling after too many refused numbers.",
            "Change its password, then `rempart release ACCOUNT`."),
        Reason(
            .call, "number-never", "The number is among calls.never: premium rates, satellites.",
            "If it is meant to be called, change calls.never."),
        Reason(
            .call, "calls-at-once", "The account makes as many calls at a time as it may.",
            "Raise calls.at-once, or the profile's calls, if they are right."),
        Reason(
            .call, "calls-per-minute", "The account has made as many calls in a minute as it may.",
            "Raise calls.per-minute if they are right."),
        Reason(
            .call, "country-not-allowed", "The number's country is not among calls.allowed.",
            "Add it there if it may be called."),
        Reason(.call, "off-hours", "Nobody is called abroad outside calls.hours."),
        Reason(
            .call, "new-country",
            "The account was seen in a country where it never was, so it calls nobody abroad for a day.",
            "`rempart release ACCOUNT` if its user travels."),
        Reason(
            .call, "abroad-at-once", "The account has as many calls abroad at a time as it may."),
        Reason(
            .call, "abroad-per-minute",
            "The account has made as many calls abroad in a minute as it may."),
    ]

    static let trunks: [Reason] = [
        Reason(
            .trunk, "trunk-full", "The trunk has as many calls as its profile permits (503).",
            "Raise `calls` of that profile if they are right."),
        Reason(
            .trunk, "trunk-rate",
            "The trunk begins more a second than trunks.NAME.per-second permits.",
            "Raise it if the calls are right: UDP can be forged, so they may be nobody's."),
    ]

    static let silences: [Reason] = [
        Reason(
            .silence, "banned", "The address is banned.",
            "`rempart why ADDRESS` says for what, `rempart unban ADDRESS` lifts it."),
        Reason(
            .silence, "held",
            "Only the registered phones of this address are answered for a while, for one of them misbehaves.",
            "`rempart explain ADDRESS` tells what was refused."),
        Reason(
            .silence, "inside-address",
            "A datagram came from outside in the name of an address of the inside: it is forged.",
            "If it is not: such a sender must use an inside endpoint."),
        Reason(
            .silence, "short-answer",
            "The answer went in short form, since more is asked than"
                + " defence.replies permits, or by a request of few bytes."),
        Reason(
            .silence, "answers-used-up",
            "More answers were asked for than go out in a second: none was sent.",
            "A phone that is kept out by a flood in its name: use TCP or TLS."),
    ]

    static let shortages: [Reason] = [
        Reason(
            .shortage, "table-full", "A table is full (503); a record names it once a minute.",
            "See the journal for the table's name, and `rempart status`."),
        Reason(
            .shortage, "account-share", "The account has its part, an eighth, of a table (503).",
            "Look what the account does: `rempart explain ADDRESS`."),
        Reason(
            .shortage, "account-requests",
            "The account asks more than accounts.requests permits (503).",
            "Raise it if that is right."),
        Reason(
            .shortage, "dialog-requests", "More than 20 requests a second within one call (503)."),
    ]
}
