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
    /// A file that Asterisk tells nobody, and what to do; nil without one. Who needs none of its lines lacks nothing.
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
    var isAwaited: Bool { files == nil && connection == nil }

    /// Whether what it told last is too old to be called right.
    func isOld(_ now: Milliseconds) -> Bool { now - lastReading > Self.oldest }

    /// Connects when it is time, or takes what has come; whether accounts may have changed.
    ///
    /// To be called each second.
    func tick(_ now: Milliseconds) -> Bool {
        let begun = Clock.monotonic
        do throws(ManagerFailure) {
            guard let connection else { return try connect(now) }
            let reloads = try connection.takeEvents(until: begun + times.manager).filter { event in
                let kind = event.value("Event")
                hears = hears || kind == "FullyBooted"
                return Self.reloads.contains(kind)
            }
            if now >= nextReading || !reloads.isEmpty {
                let hasReloaded = settles || !reloads.isEmpty
                settles = !reloads.isEmpty
                // Asterisk itself has taken what it has read.
                let isNews = try read(connection, now, isSettled: settles)
                if settles || unsettled != nil { nextReading = now + Self.settling }
                return hasReloaded || isNews
            }
            if now >= nextPing {
                nextPing = now + Self.pingEvery
                _ = try connection.ask("Ping", until: Clock.monotonic + times.manager)
            }
            return false
        } catch {
            fail(error, now, took: Clock.monotonic - begun)
            return false
        }
    }

    private func fail(
        _ failure: ManagerFailure, _ now: Milliseconds, took: Milliseconds = Milliseconds(0)
    ) {
        connection = nil
        hears = false
        fault = "\(name) \(failure.words)"
        backOff.failed(now, took: took)
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
        let isNews = try read(connection, now, isSettled: files == nil)
        self.connection = connection
        nextPing = now + Self.pingEvery
        backOff.succeeded()
        return isNews
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

    /// Has it tell its files; whether they say something else now.
    ///
    /// What it told before stays good when it cannot.
    private func read(
        _ connection: ManagerConnection, _ now: Milliseconds, isSettled: Bool
    ) throws(ManagerFailure) -> Bool {
        let begun = Clock.monotonic
        let end = begun + times.files
        defer {
            let took = (Clock.monotonic - begun).count * Self.partOfTime
            nextReading =
                now
                + (hidden != nil
                    ? Self.readAtLeastEvery
                    : max(Self.readEvery, min(Milliseconds(took), Self.readAtLeastEvery)))
        }
        var told: [String: Configuration] = [:]
        (fault, hidden) = (nil, nil)
        for file in AsteriskConfiguration.told(of: driver) {
            let answer = try connection.ask(
                "GetConfig", [("Filename", Array(file.utf8))], until: end)
            guard answer.isSuccess else {
                let message = answer.value("Message")
                if message == "Config file not found" { continue }
                let words = "\(name) does not tell \(file) (\(message.prefix(80)))"
                if message.contains("escalated privileges") {
                    hidden =
                        "\(words): it is a link that leads out of Asterisk's folder. Put the file itself there"
                } else {
                    let lacksClass = message == "Permission denied"
                    fault =
                        words
                        + (lacksClass ? ": give its user write=system" : ": correct the file")
                }
                return false
            }
            guard let configuration = Configuration(told: answer.fields, file: file) else {
                throw ManagerFailure(words: "tells \(file) otherwise than Asterisk does")
            }
            told[file] = configuration
        }
        do throws(ConfigurationFault) {
            lastReading = now
            let isNews = files == nil || told != self.told
            let mayCount = isSettled || told == unsettled
            unsettled = isNews && !mayCount ? told : nil
            if isNews, mayCount {
                files = try AsteriskConfiguration(told: told, place: name, driver: driver)
                self.told = told
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

    /// The names of all endpoints, those of Realtime too; nil when they cannot be told.
    func endpoints(until end: Milliseconds, _ now: Milliseconds) -> [String]? {
        guard let connection else { return nil }
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
