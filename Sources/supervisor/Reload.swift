internal import Journal
internal import Messages
internal import Reactor
internal import Spawning
internal import Sys

/// A reload that goes on: first the file is read, then every child takes the new settings.
///
/// When one child refuses, those that took the new settings are given the old ones back, so that
/// all go by the same.
struct Reload {
    /// The caller that waits for its end on the control socket.
    var caller: ControlSocket.Caller?
    /// The asker, as far as it is known.
    var asker: Asker?
    /// A SIGHUP came meanwhile: another reload follows.
    var isFollowed = false
    /// The sender of that signal.
    var follower: Asker?
    /// The settings of before, once the new ones are in force.
    var previous: Configuration?
    /// The children that have not answered.
    var pending: Set<Role> = []
    /// The children that took the new settings.
    var taken: Set<Role> = []
    /// The children that did not serve when it began: their failing again is no fault of the new settings.
    var away: Set<Role> = []
    /// Those of them that have failed again.
    var stillAway: [String] = []
    /// Why they cannot be used, as the children say.
    var refusals: [String] = []
    /// What of the new settings' files is not used, though the settings are in force.
    var unused: [String] = []
    /// Whether the old settings are being given back.
    var isUndoing = false
    /// When those that have not answered count as broken; nil while the file is read.
    var deadline: Milliseconds?

    /// From the new settings to the last answer.
    static let limit = Milliseconds.seconds(30)
}

/// Reading the settings, at the start and again.
extension Supervisor {
    /// Begins to read the settings for the first time.
    func beginFirstReading() {
        notify.status(statusLine)
        do {
            try beginReading()
        } catch {
            fail(error)
        }
    }

    private func beginReading() throws(StartFailure) {
        do {
            let errors = try errorOutput(waits: true)
            let reader = try SettingsReader(options.settings, spawner, errors: errors, at: now)
            self.reader = reader
            try poller.add(reader.raw, Token(kind: TokenKind.settings.rawValue), .read)
            if let raw = reader.rawErrors { try poller.add(raw, errorToken(nil), .read) }
        } catch let error as StartFailure {
            throw error
        } catch {
            throw StartFailure("the settings cannot be read: \(error)")
        }
    }

    /// Takes what the reader of the settings has said.
    func readSettings() {
        guard let reader else { return }
        reader.receive()
        if !reader.isWatched { poller.remove(reader.raw) }
        if reader.isDone { finishReading(reader) }
    }

    /// Ends a reader of the settings that takes too long.
    func settingsTookTooLong(_ reader: SettingsReader) { finishReading(reader) }

    private func finishReading(_ reader: SettingsReader) {
        reader.cancel()
        recordFaults(reader)
        self.reader = nil
        guard !isStopping else { return }
        do {
            let new = try Configuration(try reader.settings())
            if let old = configuration {
                try apply(new, after: old)
            } else {
                try bringUp(new)
            }
        } catch {
            if configuration == nil { return fail(error) }
            finishReload(error.description)
        }
    }

    /// A SIGHUP: systemd is told of the reload and of its end.
    func reloadOnSignal(_ asker: Asker?) {
        guard configuration != nil, !isStopping else { return }
        guard reload == nil else {
            reload?.isFollowed = true
            reload?.follower = asker
            return
        }
        beginReload(Reload(asker: asker))
    }

    /// A caller asks for a reload, while none goes on.
    func reload(for caller: ControlSocket.Caller) {
        beginReload(Reload(caller: caller, asker: caller.asker))
    }

    private func beginReload(_ new: Reload) {
        reload = new
        if isReady { notify.reloading(at: now) }
        do {
            try beginReading()
        } catch {
            finishReload(error.description)
        }
    }

    private func apply(_ new: Configuration, after old: Configuration) throws(StartFailure) {
        guard new.hasSameSockets(as: old) else {
            throw StartFailure(
                "outside, inside, or a trunk's name or inside has changed, which a reload cannot do:"
                    + " systemctl restart rempart"
            )
        }
        configuration = new
        configuration?.inherit(old)
        beginCertificateWatch()
        // Without a pair of before the terminator says itself that it has none.
        for files in configuration?.certificates ?? [] where files.inUse != nil {
            reload?.unused += files.unreadable.map {
                "\($0.why); the pair of before stays in use"
            }
        }
        reload?.previous = old
        reload?.away = Set(children.filter { !$0.life.isServing }.map(\.role))
        recordUnreadable()
        offer(to: Set(children.map(\.role)))
    }

    /// Has children take the settings that are now in force.
    private func offer(to roles: Set<Role>) {
        reload?.pending = roles
        reload?.deadline = now + Reload.limit
        for child in children where roles.contains(child.role) { handle(.reload, of: child) }
    }

    /// A child serves with the newest settings.
    func tookReload(_ child: Child) {
        guard reload?.pending.remove(child.role) != nil else { return }
        reload?.taken.insert(child.role)
        endReloadIfAllAnswered()
    }

    /// A child did not take the newest settings.
    func refusedReload(_ child: Child, _ why: String) {
        guard reload?.pending.remove(child.role) != nil else { return }
        reload?.refusals.append("\(child.role.name): \(why)")
        endReloadIfAllAnswered()
    }

    /// A child ended before it served; one that was away when the reload began does not stop the others'.
    func failedReload(_ child: Child, _ why: String) {
        guard reload?.away.contains(child.role) == true else {
            return refusedReload(child, why)
        }
        guard reload?.pending.remove(child.role) != nil else { return }
        reload?.stillAway.append("\(child.role.name) \(why)")
        endReloadIfAllAnswered()
    }

    /// Children have not answered in time.
    func reloadTookTooLong() {
        for child in children where reload?.pending.contains(child.role) == true {
            if child.life.isServing {
                handle(.broken("did not answer a reload within 30 s"), of: child)
            } else {
                failedReload(child, "is not running")
            }
        }
    }

    private func endReloadIfAllAnswered() {
        guard let settled = reload, settled.pending.isEmpty else { return }
        if settled.refusals.isEmpty { return finishReload(nil) }
        if !settled.isUndoing, let previous = settled.previous {
            configuration = previous
            // The answer for a pair that was on its way when the reload began went to the new settings.
            dismissCertificates()
            beginCertificateWatch()
            reload?.isUndoing = true
            guard settled.taken.isEmpty else { return offer(to: settled.taken) }
        }
        finishReload(settled.refusals.joined(separator: "; "))
    }

    private func finishReload(_ why: String?) {
        let finished = reload
        let unused = reload?.unused ?? []
        let stillAway = reload?.stillAway ?? []
        reload = nil
        refusal = why.map { "\(options.settings) was refused at the last reload: \($0)" }
        let fields = [(.file, options.settings)] + (finished?.asker?.fields ?? [])
        if let why {
            journal.write(
                .reloadRefused, .error, "the old settings stay in force: \(why)", fields)
        } else {
            let but = (unused + stillAway).joined(separator: "; ")
            journal.write(
                .reloaded, but.isEmpty ? .notice : .warning,
                "the settings were read again" + (but.isEmpty ? "" : ", but \(but)"), fields)
        }
        finished?.caller?.reply(Self.replies(why, unused: unused, stillAway: stillAway))
        if isReady { notify.ready() }
        if let finished, finished.isFollowed { reloadOnSignal(finished.follower) }
    }

    /// The answer to a reload's caller at its end.
    private static func replies(
        _ why: String?, unused: [String], stillAway: [String]
    ) -> [ControlReply] {
        if let why { return [.failed("the old settings stay in force: \(why)")] }
        guard unused.isEmpty else {
            // An administrator who renews a certificate must learn that it is not the one that
            // phones see.
            let but = (unused + stillAway).joined(separator: "; ")
            return [.failed("the new settings are in force, but \(but)")]
        }
        return stillAway.map { .finding(name: ControlReply.warning, value: $0) } + [.done]
    }

    /// A child does not use something of the newest settings' files.
    func notUsed(by child: Child, _ what: String) {
        reload?.unused.append("\(child.role.name): \(what)")
    }
}
