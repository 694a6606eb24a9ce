// Stands in for every program that the supervisor starts, by the name it was started under: speaks
// the real protocol, confines itself as the real one does, and misbehaves on request.
//
// DIAGNOSTICS: as `rempart` it turns lines "domain NAME", "outside URL", "inside URL", "trunk URL" (a
// trunk's inside), "certificate PATH" and "key PATH" of standard input into frames, and exits with 1 on any other. As a child it does what
// the word in the file "misbehave-ROLE" beside it says.
internal import Glibc
internal import Messages
internal import Privsep
internal import Reactor
internal import Sys

/// The folder and name that this program was started under.
let (folder, name) = {
    let path = CommandLine.arguments[0]
    let slash = path.lastIndex(of: "/") ?? path.startIndex
    return (String(path[..<slash]), String(path[path.index(after: slash)...]))
}()

/// A setting of a line, nil when the line is none.
func setting(_ line: Substring) -> Setting? {
    let words = line.split(separator: " ")
    guard words.count == 2 else { return nil }
    switch words[0] {
    case "domain": return .sides.domains(String(words[1]))
    case "certificate": return .tls.certificate(String(words[1]))
    case "key": return .tls.key(String(words[1]))
    default: break
    }
    let parts = words[1].split(separator: "/", omittingEmptySubsequences: true)
    let transport = Transport.allCases.first { "\($0.name):" == parts[0] }
    guard parts.count == 2, let transport, let address = SocketAddress(parts[1]) else { return nil }
    let endpoint = Endpoint(transport, address)
    switch words[0] {
    case "outside": return .sides.outside(OutsideEndpoint(endpoint))
    case "trunk": return .trunks.inside(endpoint, of: "telco")
    default: return .sides.inside(endpoint)
    }
}

func writeSettings() -> Int32 {
    var bytes: [UInt8] = []
    while let line = readLine() {
        guard let setting = setting(line[...]) else { return 1 }
        let frame = setting.encoded()
        bytes += [UInt8(frame.count >> 8), UInt8(frame.count & 0xFF)] + frame
    }
    // In bounds: the array's own storage and length.
    let written = unsafe bytes.withUnsafeBytes { unsafe write(1, $0.baseAddress, $0.count) }
    return written == bytes.count ? 0 : 2
}

func misbehaviour() -> String {
    let raw = unsafe open("\(folder)/misbehave-\(name)", O_RDONLY)
    guard raw >= 0 else { return "" }
    let file = Descriptor(owning: raw)
    var bytes = [UInt8](repeating: 0, count: 64)
    guard case .moved(let count) = Stream.read(file.raw, into: &bytes, at: 0) else { return "" }
    return String(decoding: bytes[..<count], as: UTF8.self)
}

func sendRaw(_ bytes: [UInt8]) { _ = try? Frame.send(bytes.span, on: Supervision.descriptor) }

func misbehaveBeforeReady(_ word: String) {
    switch word {
    case "exit": exit(1)
    case "exit-100": exit(100)
    case "hang": while true { _ = pause() }
    case "no-landlock": Forbidden.add(["landlock_create_ruleset"], ENOSYS)
    case "landlock-forbidden": Forbidden.add(["landlock_restrict_self"], EPERM)
    case "seccomp-forbidden": Forbidden.addFilters()
    default: break
    }
}

func misbehaveWhenReady(_ word: String, _ supervision: Supervision) {
    switch word {
    case "tries": supervision.status(Attempts.outcome())
    case "bad-frame": sendRaw([99])
    case "writes":
        let line = Array("a library has something to say\n".utf8)
        _ = unsafe write(2, line, line.count)
    case "degraded":
        supervision.report([
            Condition(.firewall, "no firewall"), Condition(.accounts, "no accounts"),
        ])
    case "ready-twice": sendRaw(ChildMessage.ready.encoded())
    case "forbidden-call": _ = unsafe mount("none", "/proc", "proc", 0, nil)
    default: break
    }
}

func statusLine(_ set: StartSet) -> String {
    "settings=\(set.settings.count) listeners=\(set.listeners.count) peers=\(set.peers.count)"
        + " files=\(set.files.count + set.certificates.values.reduce(0) { $0 + $1.count }) secret=\(set.secret.count) uid=\(geteuid())"
}

/// The certificates of a set that have both their files, a bit for each.
func wholePairs(_ set: StartSet) -> UInt32 {
    set.certificates.reduce(0) { $1.value.count == 2 ? $0 | 1 << UInt32($1.key) : $0 }
}

func serve(_ role: Role) throws -> Int32 {
    let word = misbehaviour()
    if word == "wrong-hello" {
        sendRaw(ChildMessage.hello(.supervisor).encoded())
        _ = pause()
    }
    let supervision = Supervision(role: role)
    let set = try supervision.receiveStartSet()
    misbehaveBeforeReady(word)
    var poller = try Poller()
    try poller.add(supervision.raw, Token(kind: 1), .read)
    var answers = ControlAnswers(tokenKind: 2)
    var peers = set.peers.count
    var refusals = 0
    var renewals = 0
    var whole: UInt32 = 0
    try Confinement.apply(
        role: role, paths: set.files[.state].map { [.writing($0)] } ?? [],
        journal: supervision.journal)
    supervision.status(statusLine(set))
    if role == .terminator {
        whole = word == "refuses-pairs" ? 0 : wholePairs(set)
        supervision.inUse(whole)
    }
    supervision.ready()
    misbehaveWhenReady(word, supervision)
    while true {
        _ = poller.wait(.seconds(1))
        if word != "no-heartbeat" { supervision.heartbeat() }
        // Until it has a link to a successor.
        if word == "accounts-reader-hangs", peers == set.peers.count {
            supervision.hangs(.accountsReader)
        }
        while let notice = try supervision.next() {
            switch notice {
            case .stop where word == "deaf": break
            case .stop: return 0
            case .reload where word == "exit-at-reload": return 1
            case .reload(let set)
            where word == "refuse-reload" || word == "refuse-once" && refusals == 0:
                refusals += 1
                supervision.refused("refused \(set.settings.count) settings")
            case .reload(let set):
                if word == "uses-half" { supervision.unused("half is not used") }
                supervision.status(statusLine(set))
                if role == .terminator {
                    whole = word == "refuses-pairs" ? 0 : wholePairs(set)
                    supervision.inUse(whole)
                }
                supervision.ready()
            case .renew(0, _) where word == "ends-at-pair": return 1
            case .renew(let place, let files):
                renewals += 1
                var set = StartSet()
                set.certificates[place] = files
                supervision.status("renewals=\(renewals) \(statusLine(set))")
                whole =
                    word == "refuses-pairs" ? 0 : whole & ~(1 << UInt32(place)) | wholePairs(set)
                supervision.inUse(whole)
            case .ways(let ways): supervision.status("told of \(ways.count) ways")
            case .peer:
                peers += 1
                supervision.status("new link \(peers)")
            case .client(let request, let caller):
                answers.answer([.failed("\(role.name) was asked \(request)")], to: caller, poller)
            }
        }
    }
}

if name == "rempart" { exit(writeSettings()) }
guard let role = Role(name: name) else { exit(2) }
do {
    exit(try serve(role))
} catch {
    exit((error as? ChildFailure)?.exitCode ?? 1)
}
