import Messages
import Testing

/// The table of refusals is whole, and what it says fits together.
@Suite struct RefusalTests {
    @Test("each refusal stands in the table at its own place")
    func places() { #expect(Refusal.isTableWhole) }

    @Test("each is told by one reason, of one group")
    func reasons() {
        for refusal in Refusal.allCases {
            let found = Reason.all.filter { $0.code == refusal.code && $0.group == refusal.group }
            #expect(found.count == 1, "\(refusal)")
        }
    }

    @Test("what is answered is a failure, with a phrase; what is not answered has none")
    func statuses() {
        for refusal in Refusal.allCases {
            if let status = refusal.status {
                #expect((400...699).contains(status.rawValue), "\(refusal)")
                #expect(!"\(refusal.phrase)".isEmpty, "\(refusal)")
            } else {
                #expect("\(refusal.phrase)".isEmpty, "\(refusal)")
            }
        }
    }

    @Test("a delayed refusal has no status of its own, so that no answer tells which it was")
    func delayed() {
        let delayed = Refusal.allCases.filter(\.isDelayed)
        #expect(delayed.contains(.unknownAccount) && delayed.contains(.wrongPassword))
        for refusal in delayed { #expect(refusal.status == nil, "\(refusal)") }
    }

    @Test("whatever counts as a wrong password is delayed, and counts as nothing else")
    func wrongPasswords() {
        let counted = Refusal.allCases.filter(\.countsAsWrongPassword)
        for refusal in counted { #expect(refusal.isDelayed && refusal.evidence == nil) }
        for refusal in Refusal.allCases where refusal.isLookedAt {
            #expect(refusal.countsAsWrongPassword)
        }
        #expect(!Refusal.accountGuarded.isLookedAt && Refusal.unknownAccount.isLookedAt)
    }
}
