// bans: measures the wall with the real banner, and plays its supervisor and sip-router; for Benchmarks/bans.sh.
//
//     bans measure BINARIES FOLDER        every figure, a line each
//     bans keep BINARIES FOLDER COUNT     leaves so many bans in FOLDER, as banner keeps them
//
// BINARIES is the folder of the built programs, FOLDER an empty one. Both need root in a network namespace of
// their own; `measure` needs 198.18.0.0/15 and 100.64.0.0/10 to be local there.

internal import Glibc
internal import Messages
internal import Sys

/// Addresses that are local, of which no two are neighbours, up to 16,384 of them: eight would be banned together.
func local(_ number: Int) -> IPAddress {
    let place = UInt32(number)
    return IPAddress(
        v4: 0x6440_0000 + (place / 256 % 64) << 16 + (place % 256) << 8 + 2 + place / 16_384)
}

/// Addresses of 10.0.0.0/8, of which at most two are neighbours, up to 131,072 of them.
func distant(_ number: Int) -> IPAddress {
    let place = UInt32(number)
    return IPAddress(v4: 0x0A00_0000 + (place % 65_536) << 8 + 2 + place / 65_536)
}

extension Duration {
    /// In milliseconds.
    var milliseconds: Double { self / .milliseconds(1) }

    /// Written in milliseconds, with as many places behind the point.
    func text(_ places: Int = 0) -> String {
        let scale = places == 0 ? 1.0 : 100.0
        let value = (milliseconds * scale).rounded() / scale
        return places == 0 ? "\(Int(value)) ms" : "\(value) ms"
    }
}

/// A new folder in another one.
func folder(in parent: String, _ name: String) -> String {
    let path = "\(parent)/\(name)"
    guard unsafe mkdir(path, 0o700) == 0 else { fail("\(path) cannot be made: \(errno)") }
    return path
}

/// Leaves so many bans in a folder, written by banner itself: a process of it takes 20,000 in a minute.
func keep(_ binaries: String, _ state: String, _ count: Int) {
    for first in stride(from: 0, to: count, by: 20_000) {
        let next = min(first + 20_000, count)
        let banner = Banner(binaries, state: state)
        for frame in parcels((first..<next).lazy.map(distant)) { banner.send(frame) }
        let limit = ContinuousClock.now + .seconds(60)
        // It also tells of those that are kept already.
        while banner.told < next {
            guard ContinuousClock.now < limit else {
                fail("\(banner.told) of \(next) bans after 60 s")
            }
            banner.drain()
            usleep(1000)
        }
        banner.stop()
    }
}

/// From an order to the drop of its source, of each of so many, sorted.
func decisionToDrop(_ banner: Banner, _ wall: Wall, _ count: Int, first: Int = 0) -> [Duration] {
    var spans: [Duration] = []
    for number in first..<first + count {
        let sender = Wall.sender(local(number))
        let frame = order(local(number)).encoded()
        let began = ContinuousClock.now
        banner.send(frame)
        spans.append(wall.untilDropped(sender, since: began) { banner.drain() })
        usleep(10_000)
    }
    return spans.sorted()
}

/// From the first of so many orders to the drop of the last source.
func flood(_ banner: Banner, _ wall: Wall, first: Int, _ count: Int) -> Duration {
    let frames = parcels((first..<first + count).lazy.map(local))
    let last = Wall.sender(local(first + count - 1))
    let began = ContinuousClock.now
    for frame in frames { banner.send(frame) }
    return wall.untilDropped(last, since: began) { banner.drain() }
}

/// The median of five of a command, which is answered through this program as it is by the supervisor.
func command(_ banner: Banner, _ binaries: String, _ runtime: String, _ words: [String]) -> Duration
{
    let nothing = openFile("/dev/null", O_WRONLY)
    var spans: [Duration] = []
    for _ in 0..<5 {
        do {
            _ = unsafe unlink("\(runtime)/control")
            let listener = try Socket.seqpacketListener(path: "\(runtime)/control")
            let began = ContinuousClock.now
            let asker = Process(
                ["\(binaries)/rempart"] + words + ["--runtime", runtime], output: nothing)
            try answer(listener, banner)
            // It asks sip-router as well.
            if words[0] == "why" { try answer(listener, banner) }
            // What is done already is refused, as fast as it is done.
            guard [0, 1].contains(asker.wait()) else { fail("rempart \(words) has failed") }
            spans.append(began.duration(to: .now))
        } catch {
            fail("\(error)")
        }
    }
    return spans.sorted()[2]
}

/// Has the next caller of the control socket answered: by banner, or as a sip-router that knows nothing.
func answer(_ listener: Descriptor, _ banner: Banner) throws {
    let (request, caller) = try accepted(listener)
    if request.answeredBy == .banner { return banner.pass(request, of: caller) }
    let done = ControlReply.done.encoded()
    guard try Frame.send(done.span, on: caller.raw) else { fail("a command takes no answer") }
}

/// The caller that comes to the control socket, and what it asks.
func accepted(_ listener: Descriptor) throws -> (ControlRequest, Descriptor) {
    var ready = pollfd(fd: listener.raw, events: Int16(POLLIN), revents: 0)
    guard unsafe poll(&ready, 1, 10_000) == 1,
        let caller = try Socket.seqpacketAccept(listener.raw)
    else { fail("no command has come to the control socket") }
    ready.fd = caller.raw
    var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
    guard unsafe poll(&ready, 1, 10_000) == 1,
        case .frame(let length, _) = try Frame.receive(into: &buffer, on: caller.raw)
    else { fail("a command has asked nothing") }
    return (try ControlRequest(decoding: buffer.span.extracting(0..<length)), caller)
}

/// 100,000 networks of which no two touch; as many as are fresh are others than without them.
func writeNetworks(_ path: String, fresh: Int) {
    writeFile(
        path,
        ["# shared"]
            + (fresh..<fresh + 100_000).map { number in
                "\(11 + number / 65_536).\(number / 256 % 256).\(number % 256).64/28 ; reported"
            })
}

func measureBans(_ binaries: String, _ parent: String, _ wall: Wall) {
    for kept in [0, 90_000] {
        let state = folder(in: parent, "kept-\(kept)")
        keep(binaries, state, kept)
        let banner = Banner(binaries, state: state)
        say("start to READY with \(kept) kept bans, one transaction: \(banner.start.text())")
        let spans = decisionToDrop(banner, wall, 500)
        say(
            "sip-router's order to the kernel's drop, beside \(kept) bans, 500 orders: p50"
                + " \(spans[250].text(2)), p99 \(spans[494].text(2)), longest \(spans[499].text(2))"
        )
        if kept == 0 {
            for (first, count) in [(500, 3000), (3500, 10_000)] {
                let span = flood(banner, wall, first: first, count)
                say("\(count) orders at once to the drop of the last: \(span.text())")
            }
        }
        banner.stop()
    }
    let state = folder(in: parent, "kept-10000")
    keep(binaries, state, 10_000)
    let banner = Banner(binaries, state: state)
    say("start to READY with 10000 kept bans, one transaction: \(banner.start.text())")
    banner.stop()
}

func measureBlockLists(_ binaries: String, _ parent: String, _ wall: Wall) {
    let path = "\(parent)/blocked"
    writeNetworks(path, fresh: 0)
    let state = folder(in: parent, "blocking")
    let banner = Banner(binaries, state: state, settings: [.defence.blockLists(path)])
    say("start to READY with a block list of 100,000 networks: \(banner.start.text())")
    for (fresh, share) in [(1000, "by one with 1,000 others"), (101_000, "by quite another")] {
        writeNetworks(path, fresh: fresh)
        let spans = decisionToDrop(banner, wall, 150, first: fresh / 100)
        say("longest order to drop while the list is replaced \(share): \(spans[149].text())")
    }
    banner.stop()
}

func measureCommands(_ binaries: String, _ parent: String) {
    let state = folder(in: parent, "asked")
    keep(binaries, state, 100_000)
    let banner = Banner(binaries, state: state)
    for words in [
        ["why", "10.0.1.2"], ["ban", "10.0.1.2"], ["unban", "10.0.2.2"], ["allow", "10.0.3.2"],
        ["bans", "--json"], ["bans"],
    ] {
        let span = command(banner, binaries, state, words)
        say("rempart \(words.joined(separator: " ")) with 100,000 bans: \(span.text())")
    }
    banner.stop()
}

let words = Array(CommandLine.arguments.dropFirst())
switch (words.first, words.count) {
case ("measure", 3):
    let wall = Wall()
    measureBans(words[1], words[2], wall)
    measureBlockLists(words[1], words[2], wall)
    measureCommands(words[1], words[2])
case ("keep", 4):
    guard let count = Int(words[3]), (1...100_000).contains(count) else {
        fail("COUNT is 1 to 100000")
    }
    keep(words[1], words[2], count)
default: fail("usage: bans measure BINARIES FOLDER | bans keep BINARIES FOLDER COUNT")
}
