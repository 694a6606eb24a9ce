import Messages
import Sys
import Testing

@testable import supervisor

@Suite struct ConditionRecordsTests {
    private typealias News = ConditionRecords.News
    private let empty = Condition(.accounts, "the table is empty. Fill it")
    private let heldBack = Condition(.heldBack, "30 of 30", recorded: .begin)
    private let kernel = Condition(.firewall, "not root", recorded: .both)

    private func all(_ conditions: Condition...) -> [(role: Role, condition: Condition)] {
        conditions.map { (.directory, $0) }
    }

    @Test("what the component does not record itself is recorded once as begun and once as over")
    func whatIsMissing() {
        var records = ConditionRecords()
        let found = all(empty, heldBack, kernel)
        #expect(
            records.look(found, away: [], at: .seconds(1))
                == [News(role: .directory, condition: empty, isOver: false)])
        #expect(records.look(found, away: [], at: .seconds(100)).isEmpty)
        #expect(records.look([], away: [], at: .seconds(200)).isEmpty)
        #expect(records.look([], away: [], at: .seconds(204)).isEmpty)
        let over = records.look([], away: [], at: .seconds(205))
        #expect(
            over.allSatisfy(\.isOver) && Set(over.map(\.condition.kind)) == [.accounts, .heldBack])
        #expect(records.look([], away: [], at: .seconds(300)).isEmpty)
    }

    @Test("words with other figures are no news, and neither is a component that starts anew")
    func sameThing() {
        var records = ConditionRecords()
        #expect(records.look(all(empty), away: [], at: .seconds(1)).count == 1)
        let other = Condition(.accounts, "another table is empty")
        #expect(records.look(all(other), away: [], at: .seconds(2)).isEmpty)
        #expect(records.look([], away: [.directory], at: .seconds(3)).isEmpty)
        #expect(records.look([], away: [.directory], at: .seconds(60)).isEmpty)
        #expect(records.look([], away: [], at: .seconds(61)).isEmpty)
        #expect(records.look(all(empty), away: [], at: .seconds(65)).isEmpty)
        #expect(records.look([], away: [], at: .seconds(66)).isEmpty)
        #expect(records.look([], away: [], at: .seconds(71)).map(\.isOver) == [true])
    }
}
