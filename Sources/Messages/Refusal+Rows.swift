/// The rows of refusals: status, reason code, what it means, and what the administrator may do.
extension Refusal {
    private static let foreignDomainReason = Reason(
        .request, "foreign-domain",
        "The domain is none of `domains`.",
        "A phone of yours: write the domain in it as in `domains`, or add it there.")
    private static let dialStringReason = Reason(
        .request, "dial-string",
        "What is called is no number and no name that can be dialled.",
        "Look at the phone's dial plan.")
    private static let contactReason = Reason(
        .registration, "contact",
        "A Contact cannot be bound: it leads here, or is no address.",
        Reason.wrongSoftware)

    private static let tableFullReason = Reason(
        .shortage, "table-full",
        "A table is full; a record names it once a minute.",
        "See the journal for the table's name, and `rempart status`.")

    static let requests: [Row] = [
        Row(
            .unknownMethod, .notImplemented, .request, "unknown-method",
            "The method is none that is served.", Reason.wrongSoftware),
        Row(
            .sipsInClear, .unsupportedURIScheme, .request, "sips-in-clear",
            "A sips: URI was asked for by a flow without TLS.",
            "Have the phone use TLS, or sip: URIs."),
        Row(
            .scheme, .unsupportedURIScheme, .request, "scheme",
            "The URI asked for is neither sip: nor tel:.", Reason.wrongSoftware),
        Row(
            .fromScheme, .unsupportedURIScheme, .request, "from-scheme",
            "From is of another scheme than sip:.", Reason.wrongSoftware),
        Row(.foreignDomain, .forbidden, foreignDomainReason),
        Row(.foreignAddressOfRecord, .notFound, foreignDomainReason),
        Row(.dialString, .notFound, dialStringReason),
        Row(.transferTarget, .forbidden, dialStringReason),
        Row(
            .maxForwards, .tooManyHops, .request, "max-forwards",
            "The request has come through too many proxies."),
        Row(
            .maxBreadth, .maxBreadthExceeded, .request, "max-breadth",
            "The request has been forked too often."),
        Row(
            .loop, .loopDetected, .request, "loop", "The request has been here before.",
            "Look where Asterisk or a forwarding sends it."),
        Row(
            .merged, .loopDetected, .request, "merged",
            "The request came twice, by different paths."),
        Row(
            .unsupportedExtension, .badExtension, .request, "extension",
            "An extension is required that is not supported."),
        Row(
            .severalContacts, .badRequest, .request, "several-contacts",
            "A request that begins a dialog has several Contacts."),
        Row(
            .sessionDescription, .notAcceptableHere, .request, "session-description",
            "The session description has not the form it must.", Reason.wrongSoftware),
        Row(
            .tooLong, .messageTooLarge, .request, "too-long",
            "The request is too long to be kept."),
        Row(
            .digestURI, .badRequest, .request, phrase: "Bad Digest URI", "digest-uri",
            "The credentials name another URI than the request, or none of ours.",
            Reason.wrongSoftware),
        Row(
            .profile, .forbidden, .request, "profile",
            "A profile does not permit this source the method or call.",
            "`rempart explain ADDRESS` names the profile; it is a key of `profiles`."),
        Row(
            .scanner, nil, .request, "scanner", "The message is written as only a scanner writes.",
            "A device of yours: name its network in defence.allow."),
        Row(
            .noDialog, .callDoesNotExist, .request, "no-dialog",
            "The request is for a call that is not known."),
        Row(
            .asteriskGone, .callDoesNotExist, .request, "asterisk-gone",
            "The call's Asterisk is not among asterisk.servers any more."),
        Row(
            .oldToken, .callDoesNotExist, .request, "old-token",
            "The call began before an upgrade that bound tokens to dialogs, over four hours ago."
        ),
        Row(
            .foreignToken, .callDoesNotExist, .request, "foreign-token",
            "The request has a token of another dialog, or one that was never made here."),
        Row(
            .otherAccount, .forbidden, .request, "other-account",
            "The request is for what belongs to another account.",
            "A phone registers, or speaks in a call, for its own account alone: correct its names."),
        Row(
            .ackFromElsewhere, nil, .request, "ack-from-elsewhere",
            "An ACK came from another address than the call's phone."),
        Row(
            .noAsterisk, .serviceUnavailable, .request, "no-asterisk",
            "No Asterisk answers, so the request cannot go on.",
            "See `rempart status`, and whether Asterisk answers OPTIONS of the edge."),
        Row(
            .registerFromInside, .methodNotAllowed, .request, "register-from-inside",
            "An Asterisk sent a REGISTER to an inside endpoint.",
            "To register at a provider, use a trunk: see rempart.yaml(5)."),
        Row(
            .flowFailed, .flowFailed, .request, "flow-failed",
            "The connection that a call is for is over.", "The phone has to connect again."),
        Row(
            .notRegistered, .temporarilyUnavailable, .request, "not-registered",
            "Asterisk calls an account with no phone registered."),
    ]

    static let registrations: [Row] = [
        Row(
            .mayNotRegister, .forbidden, .registration, "may-not-register",
            "The account is not one that phones register for.",
            "chan_sip: give it type=friend and host=dynamic. PJSIP: let aors name a row that ps_aors has, "
                + "and give that row max_contacts of at least 1. `rempart accounts NAME` says which it is."
        ),
        Row(
            .contactAccess, .forbidden, .registration, "contact-acl",
            "The account's contact lists do not permit the address.",
            "Look at contactpermit, contactdeny and contact_acl of the account."),
        Row(.contact, .badRequest, contactReason, phrase: "Bad Contact"),
        Row(.ownContact, .badRequest, contactReason, phrase: "Bad Contact"),
        Row(
            .notFirstHop, .firstHopLacksOutbound, .registration, "not-first-hop",
            "Outbound (RFC 5626) was asked for through another proxy."),
        Row(
            .intervalTooBrief, .intervalTooBrief, .registration, "interval-too-brief",
            "The lifetime is below registration.minimum; phones ask again with a longer one."),
        Row(
            .registerOutOfOrder, .serverInternalError, .registration, "register-out-of-order",
            "A REGISTER came after a later one of the same phone."),
        Row(
            .tooManyBindings, .forbidden, .registration, phrase: "Too Many Bindings",
            "too-many-bindings",
            "The account has as many phones as registration.contacts permits.",
            "`rempart phones` shows them; raise registration.contacts if they are right."),
    ]

    static let passwords: [Row] = [
        Row(
            .wrongPassword, nil, .password, "wrong-password", "The password is wrong.",
            "Compare the phone's password, user name and realm with the account's."),
        Row(
            .unknownAccount, nil, .password, "unknown-account",
            "There is no such account, or it has no password.",
            "Look for the name in the account database; see accounts.schema."),
        Row(
            .accountGone, nil, .password, "account-gone",
            "The account was there less than ten minutes ago, and is not any more: nobody is counted for it.",
            "If you have not deleted it, look whether its tables are being written anew."),
        Row(
            .accessList, nil, .password, "acl",
            "The password is right, but the account's permit, deny or acl do not let the address in.",
            "Look at those columns, and at accounts.acl-order."),
        Row(
            .accountHeld, nil, .password, "account-held",
            "A hold of the account: five wrong passwords were given for it from this address, so none is"
                + " looked at there for a while.",
            "Correct the phone; the flows by which the account is registered go on."),
        Row(
            .accountGuarded, nil, .password, "account-guarded",
            "The account's password is being guessed from many addresses; few tries are looked at.",
            "A new phone may have to try again; registered ones go on."),
        Row(
            .tooManyAtOnce, nil, .password, "too-many-at-once",
            "Too many requests of the account wait for directory."),
        Row(
            .lookUps, nil, .password, "look-ups",
            "Too many names are tried at the moment by this source or by all."),
        Row(
            .repeated, nil, .password, "repeated",
            "The copy of a request whose original waits for its response."),
        Row(
            .databaseDown, nil, .password, "database-down",
            "Where the accounts are read from does not answer, or it is not decided whether those that are gone end,"
                + " so nothing is refused by what was known before.",
            "`rempart status` says why."),
    ]

    static let calls: [Row] = [
        Row(
            .accountBarred, .forbidden, .call, "account-barred",
            "The account is barred from calling after too many refused numbers.",
            "Change its password, then `rempart release ACCOUNT`."),
        Row(
            .accountRevoked, .forbidden, .call, "account-revoked",
            "The account was deleted, shut out by its access list, or given another password: what it had ends."
        ),
        Row(
            .numberNever, .forbidden, .call, "number-never",
            "The number is among calls.never: premium rates, satellites.",
            "If it is meant to be called, change calls.never."),
        Row(
            .callsAtOnce, .forbidden, .call, "calls-at-once",
            "The account makes as many calls at a time as it may.",
            "Raise calls.at-once, or the profile's calls, if they are right."),
        Row(
            .callsPerMinute, .forbidden, .call, "calls-per-minute",
            "The account has made as many calls in a minute as it may.",
            "Raise calls.per-minute if they are right."),
        Row(
            .country, .forbidden, .call, "country-not-allowed",
            "The number's country is not among calls.allowed.", "Add it there if it may be called."),
        Row(
            .offHours, .forbidden, .call, "off-hours",
            "Nobody is called abroad outside calls.hours."),
        Row(
            .newCountry, .forbidden, .call, "new-country",
            "The account was seen in a country where it never was, so it calls nobody abroad for a day.",
            "`rempart release ACCOUNT` if its user travels."),
        Row(
            .abroadAtOnce, .forbidden, .call, "abroad-at-once",
            "The account has as many calls abroad at a time as it may."),
        Row(
            .abroadPerMinute, .forbidden, .call, "abroad-per-minute",
            "The account has made as many calls abroad in a minute as it may."),
    ]

    static let trunks: [Row] = [
        Row(
            .trunkFull, .serviceUnavailable, .trunk, "trunk-full",
            "The trunk has as many calls as its profile permits.",
            "Raise `calls` of that profile if they are right."),
        Row(
            .trunkRate, .serviceUnavailable, .trunk, "trunk-rate",
            "The trunk begins more a second than trunks.NAME.per-second permits.",
            "Raise it if the calls are right: UDP can be forged, so they may be nobody's."),
    ]

    static let silences: [Row] = [
        Row(
            .banned, nil, .silence, "banned", "The address is banned.",
            "`rempart why ADDRESS` says for what, `rempart unban ADDRESS` lifts it."),
        Row(
            .held, nil, .silence, "held",
            "A hold of the source: only its registered phones are answered for a while, for one sender misbehaves.",
            "`rempart explain ADDRESS` tells what was refused."),
        Row(
            .insideAddress, nil, .silence, "inside-address",
            "A datagram came from outside in the name of an address of the inside: it is forged.",
            "If it is not: such a sender must use an inside endpoint."),
        Row(
            .shortAnswer, nil, .silence, "short-answer",
            "The response went in short form, since more is asked than"
                + " defence.replies permits, or by a request of few bytes."),
        Row(
            .answersUsedUp, nil, .silence, "answers-used-up",
            "More responses were asked for than go out in a second: none was sent.",
            "A phone that is kept out by a flood in its name: use TCP or TLS."),
    ]

    static let shortages: [Row] = [
        Row(.tableFull, .serviceUnavailable, tableFullReason),
        Row(.waitingRoomFull, nil, tableFullReason),
        Row(
            .accountShare, .serviceUnavailable, .shortage, "account-share",
            "The account has its part, an eighth, of a table.",
            "Look what the account does: `rempart explain ACCOUNT`."),
        Row(
            .accountRequests, .serviceUnavailable, .shortage, "account-requests",
            "The account asks more than accounts.requests permits.",
            "Raise it if that is right."),
        Row(
            .dialogRequests, .serviceUnavailable, .shortage, "dialog-requests",
            "More than 20 requests a second within one call."),
    ]

}
