// One Asterisk that is asked through ARI, over its life: reached, asked, lost, reached again.
internal import HTTP
internal import Messages
internal import Sys

/// One Asterisk of `accounts.source`.
///
/// It is looked at before it is asked for accounts, each minute, and after an answer that made no sense. What does not
/// answer is left alone for 0.2 s, and up to 10 s in the end.
final class ARIServer {
    /// Whether it can be asked.
    enum Standing: Equatable {
        /// It was not tried yet.
        case untried
        /// It can.
        case up
        /// It cannot: what is wrong and what to do.
        case down(String)
    }

    /// What it is called in words.
    let asker: ARIAsker
    /// Whether it can be asked.
    private(set) var standing = Standing.untried
    /// Why the last look-up came to nothing though it can be asked; nil when it did not.
    private(set) var trouble: String?

    /// Why it does not list its endpoints though it can be asked; nil when it does.
    private(set) var lack: String?

    private let name: ServerName
    private let root: String
    private let settings: AccountSettings
    private let times: AskingTimes
    private var client: HTTPClient?
    private var nextLook = Milliseconds(0)
    private var backOff = BackOff()
    /// When what goes on has begun, on the clock itself.
    private var begun = Milliseconds(0)
    /// The addresses of its name that were found last.
    private var addresses: [IPAddress] = []
    /// Ids of endpoints that it has told of, the latest one last; nil before the first.
    private var witnesses: [String]?
    /// Whether most of them are unknown to it now.
    private var isSuspect = false
    /// Whose turn it is among them.
    private var turn = 0
    /// `default_realm` of PJSIP's section `global`; empty when that says nothing.
    private var defaultRealm = ""

    /// How often one that can be asked is looked at.
    private static let lookEvery = Milliseconds.seconds(60)
    /// How many endpoints are remembered that it has told of.
    private static let mostWitnesses = 8
    /// How long the list of all names may be, in bytes: that of 50,000 is some 5 MB.
    private static let longestList = 16 << 20

    /// An Asterisk that was not tried yet.
    init(
        _ name: ServerName, _ asterisks: ARIServers, _ settings: AccountSettings,
        _ times: AskingTimes
    ) {
        self.name = name
        self.times = times
        self.settings = settings
        root = asterisks.root(name)
        asker = ARIAsker(url: asterisks.url(name), user: settings.user)
    }

    // MARK: Looking

    /// What a look asks for: that there is PJSIP, and its realm.
    private static let global = ARIName("global", "global")
    private static let info = "/ari/asterisk/info?only=system"

    /// Looks at it when that is due; another Asterisk that answers is not to wait for long (`beside`).
    func look(_ now: Milliseconds, beside: Bool) {
        let isDue = standing == .up ? now >= nextLook : backOff.isOver(now)
        guard isDue else { return }
        begun = Clock.monotonic
        guard let client = reached(now) else { return }
        let span = beside && standing != .up ? times.lookBeside : times.look
        let results = client.get([Self.info, Self.global.path], until: Clock.monotonic + span)
        settle(results, now)
        if standing == .up, witnesses == nil { findWitnesses() }
    }

    /// Looks for endpoints among those that are loaded: static ones always are.
    private func findWitnesses() {
        let end = Clock.monotonic + times.look
        let ids = ((try? listed(until: end)) ?? []).prefix(Self.mostWitnesses)
        let known = present(ids.map { ARIName("endpoint", $0) }, until: end)
        if !known.isEmpty { witnesses = known }
    }

    /// The ids of those endpoints that it tells of.
    private func present(_ names: [ARIName], until end: Milliseconds) -> [String] {
        guard let client else { return [] }
        return zip(names, client.get(names.map(\.path), until: end))
            .filter { isThere($0, $1) == true }.map(\.0.id)
    }

    /// The client, made anew after a failure; nil when there cannot be one.
    private func reached(_ now: Milliseconds) -> HTTPClient? {
        if let client { return client }
        if let fault = settings.faultOfLogin {
            fail(fault, now)
            return nil
        }
        var resolved: String?
        if name.address == nil {
            let found = Socket.addresses(ofHost: name.host)
            // While the resolver is away, those that it told before go on.
            if !found.isEmpty { addresses = found }
            guard !addresses.isEmpty else {
                fail(
                    "\(asker.url) cannot be reached: no address of \(name.host) is known: write its address, or correct"
                        + " /etc/hosts or the resolver", now)
                return nil
            }
            let list = addresses.map { $0.isV4 ? "\($0)" : "[\($0)]" }.joined(separator: ",")
            resolved = "\(name):\(list)"
        }
        client = HTTPClient(
            HTTPServer(
                root: root, resolved: resolved, user: settings.user,
                password: settings.secret ?? []))
        if client == nil { fail("\(asker.url) cannot be asked: there is no memory for it", now) }
        return client
    }

    private func settle(_ results: [Result<HTTPAnswer, HTTPFailure>], _ now: Milliseconds) {
        do throws(ARIFailure) {
            let object = try asker.object(Self.global, results[1])
            let info = try asker.json(results[0])
            guard info["system"]?["version"]?.text != nil else {
                return fail(
                    "\(asker.url) does not say that it is an Asterisk: see what listens there", now)
            }
            defaultRealm = object?.value("default_realm") ?? ""
            standing = .up
            nextLook = now + Self.lookEvery
            backOff.succeeded()
        } catch {
            fail(error.words, now)
        }
    }

    private func fail(_ why: String, _ now: Milliseconds) {
        client = nil
        trouble = nil
        standing = .down(why)
        backOff.failed(now, took: Clock.monotonic - begun)
    }

    /// Has it looked at as soon as it can be.
    private func doubt(_ why: String, _ now: Milliseconds) {
        trouble = why
        nextLook = now
    }

    // MARK: Accounts

    /// Whether accounts may be asked for now, since it can be asked, or is due to be tried.
    func isOpen(_ now: Milliseconds) -> Bool { standing == .up || backOff.isOver(now) }

    /// What it says of names until a moment on the clock itself, in their order; nil for those that it has no answer for.
    func lookUp(
        _ queries: [LookUp], until end: Milliseconds, _ access: ARIAccessLists, _ now: Milliseconds
    ) -> [ReadAccount?] {
        let nothing = [ReadAccount?](repeating: nil, count: queries.count)
        if standing != .up { look(now, beside: false) }
        guard standing == .up, let client else { return nothing }
        begun = Clock.monotonic
        trouble = nil
        var lookUps: [ARILookUp?] = queries.map(ARILookUp.init)
        let firsts = client.ask(lookUps.map { $0?.first ?? [] }, until: end)
        for index in lookUps.indices {
            do throws(ARIFailure) {
                try lookUps[index]?.take(first: firsts[index], asker)
            } catch {
                lookUps[index] = nil
                guard goesOn(error, now) else { return nothing }
            }
        }
        // Every batch asks for a witness, so that nobody sees by the time whether a name is known.
        let asked = nextWitnesses()
        var seconds = client.ask(lookUps.map { $0?.second ?? [] } + [asked], until: end)
        let ofWitness = seconds.removeLast()
        let found = lookUps.compactMap { $0?.endpointID }
        found.forEach(remember)
        let isBelieved = isWitnessed(ofWitness, asked, until: end)
        var answers = nothing
        for (index, lookUp) in lookUps.enumerated() {
            guard let lookUp else { continue }
            do throws(ARIFailure) {
                let answer = try lookUp.account(
                    second: seconds[index], asker,
                    realm: access.defaultRealm
                        ?? (defaultRealm.isEmpty ? settings.realm : defaultRealm),
                    access)
                answers[index] = lookUp.endpointID != nil || isBelieved ? answer : nil
            } catch {
                guard goesOn(error, now) else { return answers }
            }
        }
        if !isBelieved, trouble == nil, lookUps.contains(where: { $0?.endpointID == nil }) {
            trouble = witnesses == nil ? noneYet : mostAreGone
        }
        return answers
    }

    private var noneYet: String {
        "\(asker.url) has not told of any account yet: see whether Asterisk has some, and reaches its database"
    }

    private var mostAreGone: String {
        "\(asker.url) does not know most of the accounts any more that it told of last: see whether Asterisk reaches"
            + " its database. If they are deleted, type 'rempart restart accounts-reader'"
    }

    /// The endpoints that a batch asks for too: one in turn, and all while it is suspected of having lost its database.
    private func nextWitnesses() -> [ARIName] {
        guard let witnesses, !witnesses.isEmpty else { return [] }
        turn += 1
        let ids = isSuspect ? witnesses : [witnesses[turn % witnesses.count]]
        return ids.map { ARIName("endpoint", $0) }
    }

    /// Whether one that says of a name that it is unknown is to be believed.
    ///
    /// An Asterisk whose own database is away says so of all names that it has there, and not of those in its files. So
    /// half of those that it has told of have to be there still.
    private func isWitnessed(
        _ results: [Result<HTTPAnswer, HTTPFailure>], _ asked: [ARIName], until end: Milliseconds
    ) -> Bool {
        // At the start its database may be away as well.
        guard let witnesses else { return false }
        var known: [String] = []
        for (name, result) in zip(asked, results) {
            guard let isThere = isThere(name, result) else { return false }
            if isThere { known.append(name.id) }
        }
        if !isSuspect {
            if known.count == asked.count { return true }
            let others = witnesses.filter { id in !asked.contains { $0.id == id } }
            known = present(others.map { ARIName("endpoint", $0) }, until: end)
        }
        // One account that is deleted is the usual thing where there was one alone.
        isSuspect = witnesses.count > 1 && known.count * 2 < witnesses.count
        if !isSuspect { self.witnesses = known }
        return !isSuspect
    }

    /// Whether there is an object; nil when that is not answered.
    private func isThere(
        _ name: ARIName, _ result: Result<HTTPAnswer, HTTPFailure>
    ) -> Bool? {
        do throws(ARIFailure) {
            return try asker.object(name, result) != nil
        } catch {
            return nil
        }
    }

    private func remember(_ id: String) {
        guard witnesses?.last != id else { return }
        let others = (witnesses ?? []).filter { $0 != id }
        witnesses = others.suffix(Self.mostWitnesses - 1) + [id]
    }

    /// Whether others may be asked for after a failure.
    private func goesOn(_ failure: ARIFailure, _ now: Milliseconds) -> Bool {
        switch failure {
        case .ofServer(let why):
            fail(why, now)
            return false
        case .ofObject(let why):
            doubt(why, now)
            return true
        }
    }

    /// The names of all endpoints that Asterisk has loaded; nil when it does not say.
    func names(until end: Milliseconds, _ now: Milliseconds) -> [String]? {
        guard standing == .up else { return nil }
        do throws(ARIFailure) {
            let names = try listed(until: end)
            lack =
                names == nil
                ? "\(asker.url) lists no endpoints (404): see whether Asterisk has loaded res_ari_endpoints.so"
                : nil
            return names
        } catch {
            doubt(error.words, now)
            return nil
        }
    }

    /// The same; nil without the module that lists them.
    private func listed(until end: Milliseconds) throws(ARIFailure) -> [String]? {
        var limits = HTTPLimits()
        limits.body = Self.longestList
        guard let result = client?.alike(limits)?.get(["/ari/endpoints/PJSIP"], until: end)[0]
        else { throw .ofObject("\(asker.url) cannot be asked: there is no memory for it") }
        if case .success(let answer) = result, answer.status == 404 { return nil }
        return (try asker.json(result).items ?? []).compactMap { $0["resource"]?.text }
    }
}

extension ARIFailure {
    /// What is wrong.
    fileprivate var words: String {
        switch self {
        case .ofServer(let why), .ofObject(let why): why
        }
    }
}

extension HTTPClient {
    /// What comes of requests for objects in groups, group by group.
    fileprivate func ask(
        _ groups: [[ARIName]], until end: Milliseconds
    ) -> [[Result<HTTPAnswer, HTTPFailure>]] {
        var results = get(groups.flatMap { $0.map(\.path) }, until: end)[...]
        return groups.map { group in
            defer { results = results.dropFirst(group.count) }
            return Array(results.prefix(group.count))
        }
    }
}

extension AccountSettings {
    /// Why nobody can be asked with their login, and what to do; nil when it can be used.
    var faultOfLogin: String? {
        guard !user.isEmpty else {
            return
                "\(url) takes a login: set accounts.user to a user of ari.conf, and accounts.secret-file to the file with"
                + " its password"
        }
        guard !user.contains(":") else {
            return
                "accounts.user holds a colon, which HTTP's login cannot: give the user of ari.conf another name"
        }
        guard let secret, !secret.isEmpty else { return unusableSecret }
        return secret.contains(0)
            ? "the password in \(secretFile) holds a zero byte: give the user another one" : nil
    }
}
