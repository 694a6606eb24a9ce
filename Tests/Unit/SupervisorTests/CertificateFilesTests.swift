import Glibc
import Messages
import Reactor
import Sys
import Testing

@testable import supervisor

/// What becomes of copies of a certificate's files, by what tls-terminator says of them.
@Suite struct CertificateFilesTests {
    /// Two files in a folder of their own, and what is known of them; it stands at 1 h.
    private final class Pair {
        let folder = "/tmp/rempart-test-\(String(Random.word, radix: 16))"
        var files: CertificateFiles
        var now = Milliseconds.seconds(3600)
        private var count = 0

        init() throws {
            #expect(unsafe mkdir(folder, 0o755) == 0)
            try Daemon.write("chain", to: "\(folder)/pem")
            try Daemon.write("key", to: "\(folder)/key")
            let settings: [TerminatorSetting] = [
                .certificate("\(folder)/pem"), .key("\(folder)/key"),
            ]
            files = CertificateFiles(CertificatePaths.of(settings)[0], "tls")
        }

        deinit { _ = try? Daemon.run("/bin/rm", ["-rf", folder]) }

        /// Begins a process, which serves with what it is given.
        func begin() -> SealedPair {
            let pair = files.handOver(atStart: true)
            files.judged(isUsed: true, at: now)
            return pair
        }

        /// What a running process is to try.
        func offer() -> SealedPair? { files.offer() }

        /// What a reload hands over.
        func reload() -> SealedPair { files.handOver(atStart: false) }

        /// Writes another certificate, and lets two looks see it.
        func renew() throws {
            count += 1
            try Daemon.write("chain" + String(repeating: "+", count: count), to: "\(folder)/pem")
            try look()
            try look()
        }

        /// Looks at the files now.
        func look() throws {
            let look = try CertificateLook([files.question(at: now)], generation: 0, at: now)
            var poller = try Poller(capacity: 1)
            try poller.add(look.raw, Token(kind: 0), .read)
            #expect(poller.wait(.seconds(20)) == 1)
            let answers = try #require(look.findings())
            _ = files.apply(answers[0], at: now)
        }

        /// Whether the files are copied again at a moment from now.
        func isDue(in span: Milliseconds) -> Bool { files.question(at: now + span).isDue }
    }

    @Test("a pair that ends three processes is given to no other until its files change")
    func ending() throws {
        let pair = try Pair()
        let old = pair.begin()
        try pair.renew()
        for turn in 1...3 {
            #expect(pair.offer() != nil)
            #expect(pair.offer() == nil)
            let told = pair.files.processEnded()
            #expect((told != nil) == (turn == 3))
            #expect(pair.begin() === old)
        }
        #expect(pair.offer() == nil && pair.files.state == .givenUp)
        #expect(pair.files.givenUp?.setting == "tls.certificate")
        // It is not tried again by the lapse of time, nor by a reload that is taken back.
        pair.now = pair.now + .seconds(3600)
        try pair.look()
        #expect(pair.offer() == nil)
        #expect(pair.reload() === old)
        try pair.renew()
        #expect(pair.files.givenUp == nil)
        let new = try #require(pair.offer())
        pair.files.judged(isUsed: true, at: pair.now)
        #expect(pair.files.inUse === new && pair.files.state == .used)
    }

    @Test("a pair that is not used is tried again after 10 s, 30 s, 60 s, and every 5 min")
    func patience() throws {
        let pair = try Pair()
        let old = pair.begin()
        for _ in 0..<2 {
            try pair.renew()
            for wait in [10, 30, 60, 300, 300, 300] {
                #expect(pair.offer() != nil)
                pair.files.judged(isUsed: false, at: pair.now)
                #expect(pair.files.inUse === old)
                #expect(!pair.isDue(in: .seconds(Int64(wait)) - Milliseconds(1)))
                pair.now = pair.now + .seconds(Int64(wait))
                #expect(pair.isDue(in: Milliseconds(0)))
                try pair.look()
            }
        }
    }

    @Test("files that cannot be read are copied again after 10 s, 30 s, 60 s, and every 5 min")
    func unreadable() throws {
        let pair = try Pair()
        let old = pair.begin()
        #expect(unsafe unlink("\(pair.folder)/key") == 0)
        try pair.look()
        try pair.look()
        for wait in [10, 30, 60, 300, 300] {
            #expect(pair.offer() == nil && pair.files.unreadable.count == 1)
            #expect(pair.reload() === old)
            pair.files.judged(isUsed: true, at: pair.now)
            #expect(!pair.isDue(in: .seconds(Int64(wait)) - Milliseconds(1)))
            pair.now = pair.now + .seconds(Int64(wait))
            #expect(pair.isDue(in: Milliseconds(0)))
            try pair.look()
        }
    }

    @Test("an answer is for the pair that was handed over, though its files have changed since")
    func late() throws {
        let pair = try Pair()
        _ = pair.begin()
        try pair.renew()
        let second = try #require(pair.offer())
        try pair.renew()
        pair.files.judged(isUsed: true, at: pair.now)
        #expect(pair.files.inUse === second)
        let third = try #require(pair.offer())
        #expect(third !== second)
        // An answer that nothing was handed over for says nothing.
        pair.files.judged(isUsed: true, at: pair.now)
        pair.files.judged(isUsed: false, at: pair.now)
        #expect(pair.files.inUse === third && pair.files.state == .used)
    }
}
