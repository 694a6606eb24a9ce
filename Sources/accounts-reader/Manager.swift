// What Asterisk tells by its manager interface (AMI) that ARI does not: its files, all names, and when it has reloaded.
internal import AsteriskFiles
internal import Messages
internal import Sys

/// The manager interface of one Asterisk (`accounts.ami`), over its life: connected, asked, lost, connected again.
final class Manager {
    /// What it is called.
    let name: String
    /// What Asterisk's files say, as they were told last; nil before the first time.
    private(set) var files: AsteriskConfiguration?
    /// What is wrong and what to do; nil when nothing is.
    private(set) var fault: String?
    /// A file that Asterisk tells nobody, and what to do; nil without one.
    ///
    /// Who needs none of its lines lacks nothing.
    private(set) var hidden: String?

    private let server: ServerName
    private let settings: AccountSettings
    private let times: AskingTimes
    private let driver: AsteriskConfiguration.Driver
    private var connection: ManagerConnection?
    /// Whether the user hears of reloads (read=system), as far as the greeting shows.
    private var hears = false
    private var nextPing = Milliseconds(0)
    private var backOff = BackOff()
    /// What is being told; nil between two tellings.
    private var reading: Reading?
    /// What it told last, by the names of the files.
    private var told: [String: Configuration] = [:]
    /// What it has told since, once: whoever writes a file in steps means none of them.
    private var unsettled: [String: Configuration]?
    /// When all files were told last.
    private var lastReading = Milliseconds(0)
    /// When the files are told once more.
    private var nextReading = Milliseconds(0)
    /// Whether that is since Asterisk has reloaded.
    private var settles = false
    /// Whether what is told now follows a reload.
    private var isReload = false

    /// A telling of all files, which goes on over several seconds where they are long.
    private struct Reading {
        /// The files that are not told yet, the one that is being told first.
        var left: [String]
        /// Those that are told.
        var told: [String: Configuration] = [:]
        /// When it has begun.
        let begun: Milliseconds
        /// How long it has been waited for.
        var took = Milliseconds(0)
        /// Whether what is told counts at once, since Asterisk itself has taken what it reads now.
        let isSettled: Bool
    }

    /// The events after which files may say something else; chan_sip has one of its own for its own command.
    private static let reloads = ["Reload", "ChannelReload", "FullyBooted"]
    /// How often it is asked whether it is there.
    private static let pingEvery = Milliseconds.seconds(10)
    /// How long after a reload the files are told again: PJSIP goes on reloading for a moment after it has said so.
    private static let settling = Milliseconds.seconds(1)
    /// How often they are told without one: not every command that reloads says so, such as chan_sip's own.
    private static let readEvery = Milliseconds.seconds(2)
    /// That is seldomer where they are long: the telling takes no more than a part of the time, and what is the longest
    /// time between two.
    private static let partOfTime: Int64 = 100
    private static let readAtLeastEvery = Milliseconds.seconds(60)
    /// How long what was told counts as right while nothing is told.
    private static let oldest = Milliseconds.seconds(180)

    /// The interface that the settings name, not connected to before the first `tick`; nil when they name none.
    init?(
        _ settings: AccountSettings, driver: AsteriskConfiguration.Driver,
        _ times: AskingTimes = AskingTimes()
    ) {
        guard let server = settings.manager else { return nil }
        self.server = server
        self.settings = settings
        self.times = times
        self.driver = driver
        name = "accounts.ami (\(server))"
    }

    /// Whether each change of an account's is told, that of files with their reload.
    var tellsOfChanges: Bool {
        guard connection != nil, hears, let files else { return false }
        return files.realtimePlace(of: driver) == .none
    }

    /// Whether it has told no files, and may do so yet: nobody knows what stands there.
    var isAwaited: Bool { files == nil && (connection == nil || reading != nil) }

    /// Whether what it told last is too old to be called right.
    func isOld(_ now: Milliseconds) -> Bool { now - lastReading > Self.oldest }

    /// Connects when it is time, or takes what has come; whether accounts may have changed.
    ///
    /// To be called each second.
    func tick(_ now: Milliseconds) -> Bool {
        let begun = Clock.monotonic
        do throws(ManagerFailure) {
            guard let connection else { return try connect(now) }
            if reading == nil, try isDue(connection, now) { try begin(connection, now) }
            if reading != nil { return try goOn(connection, now) }
            if now >= nextPing {
                nextPing = now + Self.pingEvery
                _ = try connection.ask("Ping", until: Clock.monotonic + times.manager)
                // A login alone is no success: whoever hangs after it is not to be waited for again and again.
                backOff.succeeded()
            }
            return false
        } catch {
            fail(error, now, took: Clock.monotonic - begun)
            return false
        }
    }

    /// Whether the files are to be told now.
    private func isDue(
        _ connection: ManagerConnection, _ now: Milliseconds
    ) throws(ManagerFailure) -> Bool {
        let events = try connection.takeEvents(until: Clock.monotonic + times.manager)
        hears = hears || events.contains { $0.value("Event") == "FullyBooted" }
        let hasReloaded = events.contains { Self.reloads.contains($0.value("Event")) }
        let hasSettled = settles && now >= nextReading
        isReload = hasReloaded || hasSettled
        settles = hasReloaded || settles && !hasSettled
        // PJSIP always says that it has reloaded, and what is saved before that is not in force.
        let isAsked =
            driver == .chanSip || isReload || !hears || files == nil || unsettled != nil
        return hasReloaded || now >= nextReading && isAsked
    }

    private func fail(
        _ failure: ManagerFailure, _ now: Milliseconds, took: Milliseconds = Milliseconds(0)
    ) {
        // One that hangs takes a tenth of the time at most: others wait meanwhile.
        let waited = max(took, reading?.took ?? Milliseconds(0))
        backOff.failed(now, took: Milliseconds(waited.count * 10))
        (connection, reading) = (nil, nil)
        hears = false
        fault = "\(name) \(failure.words)"
    }

    private func connect(_ now: Milliseconds) throws(ManagerFailure) -> Bool {
        guard backOff.isOver(now) else { return false }
        if let fault = settings.faultOfLogin {
            throw ManagerFailure(words: "cannot be asked: \(fault)")
        }
        let end = Clock.monotonic + times.login
        let ips = server.address.map { [$0] } ?? Socket.addresses(ofHost: server.host)
        let connection = try ManagerConnection(
            to: ips.map { SocketAddress($0, port: server.port) }, until: end)
        try logIn(connection, until: end)
        // What it tells of itself has come before the answer.
        _ = try connection.ask("Ping", until: end)
        hears = try connection.takeEvents(until: end).contains {
            $0.value("Event") == "FullyBooted"
        }
        self.connection = connection
        nextPing = now + Self.pingEvery
        isReload = files == nil
        try begin(connection, now)
        return try goOn(connection, now)
    }

    /// Logs in without showing the password.
    private func logIn(
        _ connection: ManagerConnection, until end: Milliseconds
    ) throws(ManagerFailure) {
        let type = ("AuthType", Array("MD5".utf8))
        let challenge = try connection.ask("Challenge", [type], until: end).value("Challenge")
        var proof = Array(challenge.utf8) + (settings.secret ?? [])
        let key = HA1.md5(proof).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
        proof.wipe()
        let answer = try connection.ask(
            "Login",
            [
                type, ("Username", Array(settings.user.utf8)), ("Key", Array(key.joined().utf8)),
                ("Events", Array("system".utf8)),
            ], until: end)
        guard answer.isSuccess else {
            throw ManagerFailure(
                words:
                    "refuses the login: correct accounts.user and accounts.secret-file and type 'rempart reload', or"
                    + " correct the section [\(settings.user)] of manager.conf, its permit and deny too"
            )
        }
    }

    // MARK: Files

    private func begin(
        _ connection: ManagerConnection, _ now: Milliseconds
    ) throws(ManagerFailure) {
        let files = AsteriskConfiguration.told(of: driver)
        reading = Reading(left: files, begun: now, isSettled: isReload)
        try ask(connection, for: files[0])
    }

    private func ask(_ connection: ManagerConnection, for file: String) throws(ManagerFailure) {
        try connection.begin(
            "GetConfig", [("Filename", Array(file.utf8))], until: Clock.monotonic + times.manager)
    }

    /// Takes what of the files has been told; whether they are told whole, and accounts may have changed.
    private func goOn(
        _ connection: ManagerConnection, _ now: Milliseconds
    ) throws(ManagerFailure) -> Bool {
        let begun = Clock.monotonic
        let end = begun + times.filesOfSecond
        while let file = reading?.left.first {
            guard let answer = try connection.answer(until: end) else {
                waited(since: begun)
                guard let reading, now - reading.begun <= times.files else {
                    throw ManagerFailure(
                        words: "does not tell \(file) in time: see whether Asterisk is overloaded")
                }
                return false
            }
            guard try take(answer, of: file) else { return ended(now, isNews: false) }
            reading?.left.removeFirst()
            if let next = reading?.left.first { try ask(connection, for: next) }
        }
        waited(since: begun)
        return ended(now, isNews: use(now))
    }

    private func waited(since begun: Milliseconds) {
        guard let took = reading?.took else { return }
        reading?.took = took + (Clock.monotonic - begun)
    }

    /// Takes a file; false when Asterisk refuses to tell it, and what it told before stays good.
    private func take(
        _ answer: ManagerMessage, of file: String
    ) throws(ManagerFailure) -> Bool {
        guard answer.isSuccess else {
            let message = answer.value("Message")
            if message == "Config file not found" { return true }
            let words = "\(name) does not tell \(file) (\(message.prefix(80)))"
            if message.contains("escalated privileges") {
                (fault, hidden) = (
                    nil,
                    "\(words): it is a link that leads out of Asterisk's folder. Put the file itself there"
                )
            } else {
                let lacksClass = message == "Permission denied"
                fault = words + (lacksClass ? ": give its user write=system" : ": correct the file")
            }
            return false
        }
        guard let configuration = Configuration(told: answer.fields, file: file) else {
            throw ManagerFailure(
                words:
                    "tells \(file) otherwise than Asterisk does, or with more than"
                    + " \(ConfigurationLimits().sections) sections")
        }
        reading?.told[file] = configuration
        return true
    }

    /// Reads what was told; whether it counts and says something else than before.
    private func use(_ now: Milliseconds) -> Bool {
        guard let reading else { return false }
        (fault, hidden, lastReading) = (nil, nil, now)
        do throws(ConfigurationFault) {
            let isNews = files == nil || reading.told != told
            let mayCount = reading.isSettled || reading.told == unsettled
            unsettled = isNews && !mayCount ? reading.told : nil
            if isNews, mayCount {
                files = try AsteriskConfiguration(
                    told: reading.told, place: name, driver: driver)
                told = reading.told
            }
            if !hears {
                fault = "\(name) does not tell of reloads: give its user read=system"
            }
            return isNews && mayCount
        } catch {
            fault = "\(name): \(error)"
            return false
        }
    }

    /// A telling is over; whether accounts may have changed.
    private func ended(_ now: Milliseconds, isNews: Bool) -> Bool {
        let took = (reading?.took ?? Milliseconds(0)).count * Self.partOfTime
        reading = nil
        let isSeldom = hidden != nil || driver == .pjsip
        let pause =
            isSeldom
            ? Self.readAtLeastEvery
            : max(Self.readEvery, min(Milliseconds(took), Self.readAtLeastEvery))
        nextReading = now + (settles || unsettled != nil ? Self.settling : pause)
        defer { isReload = false }
        return isNews || isReload
    }

    /// The names of all endpoints, those of Realtime too; nil when they cannot be told.
    func endpoints(until end: Milliseconds, _ now: Milliseconds) -> [String]? {
        // What answers the question in between is not the files' answer.
        guard let connection, reading == nil else { return nil }
        do throws(ManagerFailure) {
            return try connection.list("PJSIPShowEndpoints", until: end)?.map {
                $0.value("ObjectName")
            }
        } catch {
            fail(error, now)
            return nil
        }
    }
}
