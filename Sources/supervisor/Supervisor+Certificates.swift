internal import Journal
internal import Messages
internal import Reactor
internal import Sys

/// When the certificates' files are looked at, and what tls-terminator has yet to say of them.
struct CertificateWatch {
    /// When they are looked at next; nil while a look goes on, or where there are none.
    var next: Milliseconds?
    /// The look that goes on.
    var look: CertificateLook?
    /// Counts the settings: a look at the files of earlier ones says nothing.
    var generation: UInt32 = 0
    /// How many sets of files tls-terminator has not answered yet.
    ///
    /// It answers them in their order, and each answer tells of all that came before: only the last one counts.
    private(set) var unanswered = 0

    /// How often files are looked at.
    ///
    /// One that has changed is copied once it is at rest for so long.
    static let interval = Milliseconds.seconds(2)
    /// From when on a look that does not end is told of.
    static let patience = Milliseconds.seconds(30)

    /// tls-terminator is sent a set of files.
    mutating func began() { unanswered += 1 }

    /// tls-terminator has answered a set, or has refused the reload that it was part of; whether none is left.
    mutating func removeAnswered() -> Bool {
        unanswered = max(unanswered - 1, 0)
        return unanswered == 0
    }

    /// The process that was sent sets is gone.
    mutating func forgot() { unanswered = 0 }

    /// What is wrong while a file system does not answer.
    func condition(at now: Milliseconds) -> Condition? {
        guard let look, now - look.began > Self.patience else { return nil }
        return Condition(
            .certificate,
            "a renewed certificate is not seen, for the file system of tls.certificate does not answer: see"
                + " whether what it is mounted from is there")
    }
}

/// Certificates that are renewed while the daemon runs.
extension Supervisor {
    /// Other settings are in force: from now on their files are looked at.
    func beginCertificateWatch() {
        certificateWatch.generation += 1
        let isWanted = configuration.map { $0.needsTLS && !$0.certificates.isEmpty } ?? false
        guard certificateWatch.look == nil else { return }
        certificateWatch.next = isWanted ? now + CertificateWatch.interval : nil
    }

    /// Begins to look at the files when it is time.
    func lookAtCertificates() {
        guard let next = certificateWatch.next, next <= now, !isStopping else { return }
        let questions = configuration?.certificates.map { $0.question(at: now) } ?? []
        do {
            let look = try CertificateLook(
                questions, generation: certificateWatch.generation, at: now)
            try poller.add(look.raw, Token(kind: TokenKind.look.rawValue), .read)
            certificateWatch.look = look
            certificateWatch.next = nil
        } catch {
            // For want of a descriptor or of memory: the next look may have them.
            certificateWatch.next = now + CertificateWatch.interval
        }
    }

    /// Applies what a look has found.
    func finishLook() {
        guard let look = certificateWatch.look, let findings = look.findings() else { return }
        poller.remove(look.raw)
        certificateWatch.look = nil
        certificateWatch.next = now + CertificateWatch.interval
        guard look.generation == certificateWatch.generation else {
            return beginCertificateWatch()
        }
        for (place, finding) in findings.enumerated() {
            let news = configuration?.certificates[place].apply(finding, at: now) ?? []
            for (setting, why) in news {
                journal.write(.certificateRefused, .error, why, [(.file, setting)])
            }
        }
        offerCertificates()
    }

    /// Hands a pair that tls-terminator has not tried yet to it, unless it is busy with others.
    ///
    /// One at a time: of two, a good one would be given up for a bad one at which the process ends.
    private func offerCertificates() {
        guard reload == nil, certificateWatch.unanswered == 0,
            let child = children.first(where: { $0.role == .terminator }), child.life.isServing
        else { return }
        for place in configuration?.certificates.indices ?? 0..<0 {
            guard let pair = configuration?.certificates[place].offer() else { continue }
            // Without a descriptor for it now it is tried again as any that is not used.
            guard let files = try? pair.messages(place) else {
                configuration?.certificates[place].judged(isUsed: false, at: now)
                continue
            }
            certificateWatch.began()
            return send([.renew(UInt8(place))] + files + [.begin], to: child)
        }
    }

    /// tls-terminator has said which of the pairs that it was given last it serves with.
    func useCertificates(_ places: UInt32) {
        guard certificateWatch.removeAnswered() else { return }
        for place in configuration?.certificates.indices ?? 0..<0 {
            let isUsed = places & 1 << UInt32(place) != 0
            configuration?.certificates[place].judged(isUsed: isUsed, at: now)
        }
        offerCertificates()
    }

    /// tls-terminator has refused a reload, and says nothing of the files that came with it.
    func certificatesRefused() {
        guard certificateWatch.removeAnswered() else { return }
        dismissCertificates()
    }

    /// What tls-terminator was given counts as not used, and is tried again after a while.
    func dismissCertificates() {
        for place in configuration?.certificates.indices ?? 0..<0 {
            configuration?.certificates[place].judged(isUsed: false, at: now)
        }
    }

    /// The tls-terminator that was given files has ended.
    func forgetCertificates() {
        certificateWatch.forgot()
        for place in configuration?.certificates.indices ?? 0..<0 {
            let news = configuration?.certificates[place].processEnded()
            guard let (setting, why) = news else { continue }
            journal.write(.certificateRefused, .error, why, [(.file, setting)])
        }
    }
}
