internal import Messages
internal import Sys

/// Which conditions are to be recorded as begun or as over, since the component that tells of them does not.
///
/// Of a component those of one kind count as one, or words with figures would make a record each.
struct ConditionRecords {
    /// What is to be recorded.
    struct News: Equatable {
        let role: Role
        let condition: Condition
        let isOver: Bool
    }

    private struct Key: Hashable {
        let role: Role
        let kind: Condition.Kind
    }

    private struct Told {
        let condition: Condition
        /// Since when the component serves and does not tell of it; nil while it does, or is away.
        var missingSince: Milliseconds?
    }

    /// How long a component serves without a word of it until it is over.
    ///
    /// After a start or a reload a component has yet to look: accounts-reader within a second.
    static let patience = Milliseconds.seconds(5)

    private var told: [Key: Told] = [:]

    /// What there is to record of what is wrong now; components that are `away` tell of nothing.
    mutating func look(
        _ found: [(role: Role, condition: Condition)], away: Set<Role>, at now: Milliseconds
    ) -> [News] {
        var news: [News] = []
        var present = Set<Key>()
        for (role, condition) in found where condition.recorded != .both {
            let key = Key(role: role, kind: condition.kind)
            present.insert(key)
            if told[key] == nil {
                told[key] = Told(condition: condition)
                guard condition.recorded == .neither else { continue }
                news.append(News(role: role, condition: condition, isOver: false))
            }
        }
        for (key, one) in told {
            guard !present.contains(key), !away.contains(key.role) else {
                told[key]?.missingSince = nil
                continue
            }
            let since = one.missingSince ?? now
            told[key]?.missingSince = since
            guard now - since >= Self.patience else { continue }
            told[key] = nil
            news.append(News(role: key.role, condition: one.condition, isOver: true))
        }
        return news
    }
}
