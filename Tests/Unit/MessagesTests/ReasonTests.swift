import Messages
import Testing

/// Every reason code of a type is among the reasons, once, with what it means.
@Suite struct ReasonTests {
    private func codes(_ group: Reason.Group) -> [String] {
        Reason.all.filter { $0.group == group }.map(\.code)
    }

    @Test("no group has a code twice, none is without a code, and each code says what it means")
    func meanings() {
        for group in Reason.Group.allCases {
            let codes = codes(group)
            #expect(Set(codes).count == codes.count && !codes.isEmpty, "\(group)")
        }
        for reason in Reason.all {
            #expect(reason.meaning.hasSuffix(".") && reason.meaning.count > 10, "\(reason.code)")
            #expect(reason.remedy.isEmpty || reason.remedy.hasSuffix("."), "\(reason.code)")
        }
    }

    @Test("each detector's bans have a reason, and whatever is evidence counts toward such a ban")
    func evidence() {
        let bans = codes(.ban)
        for detector in Detector.allCases { #expect(bans.contains(detector.code)) }
        for reason in Reason.all {
            guard let detector = reason.evidence else { continue }
            #expect(bans.contains(detector.code), "\(reason.code)")
        }
    }

    @Test("a reason has the statuses and the evidence of each refusal that is given for it")
    func ofRefusals() {
        for refusal in Refusal.allCases {
            let reason = Reason.all.first {
                $0.code == refusal.code && $0.group == refusal.group
            }
            guard let reason else { continue }
            if let status = refusal.status { #expect(reason.statuses.contains(status)) }
            if let detector = refusal.evidence { #expect(reason.evidence == detector) }
        }
        let domain = Reason.all.first { $0.code == Refusal.foreignDomain.code }
        #expect(domain?.statuses == [.forbidden, .notFound])
        let acl = Reason.all.first { $0.code == Refusal.accessList.code }
        #expect(acl?.statuses == [] && acl?.evidence == .wrongPassword)
    }

    @Test("a TLS handshake that came to nothing has a reason, and counts")
    func handshakes() {
        for failure in HandshakeFailure.allCases {
            let reason = Reason.all.first { $0.code == failure.code && $0.group == .connection }
            #expect(reason?.evidence == .tlsFailures, "\(failure)")
        }
    }
}
