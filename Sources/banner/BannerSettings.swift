internal import Messages
internal import Sys

/// The settings that banner reads, gathered from what the supervisor tells.
struct BannerSettings {
    /// What the firewall's table is made of, as far as the settings say it.
    var plan = TablePlan()
    /// How long the first ban of a source lasts, the second, and so on.
    var spans: [Milliseconds] = []
    /// Whether the table goes when the daemon stops.
    var removesTable = Setting.defence.cleanup.standard
    /// Networks that are never banned.
    var allowed: [Network] = []
    /// Where the Internet reaches us, and the addresses that a NAT has for that.
    var outside: [OutsideEndpoint] = []
    /// The Asterisks.
    var asterisks: [IPAddress] = []
    /// The networks of trunks, each with the trunk's name.
    var trunks: [(name: String, network: Network)] = []
    /// The countries that strangers may come from; empty for all.
    var countries: Set<String> = []
    /// The country database; nil where it usually is.
    var database: String?
    /// The files of networks that are shut out.
    var blockLists: [String] = []

    /// The settings of a start set; what it leaves out keeps its default.
    init(_ settings: [BannerSetting]) {
        var first = Setting.defence.ban.standard
        var growth: [Milliseconds] = []
        for setting in settings {
            switch setting {
            case .outside(let endpoint, let advertised):
                // A NAT before this machine has translated what comes: the bound address stands in it.
                plan.outside.append(endpoint)
                plan.own.append(endpoint.address.ip)
                outside.append(OutsideEndpoint(endpoint, advertised: advertised))
            case .inside(let endpoint): plan.own.append(endpoint.address.ip)
            case .asterisk(let server):
                plan.own.append(server.ip)
                asterisks.append(server.ip)
            case .trunk(let name, let rule):
                if case .inside(let endpoint) = rule { plan.own.append(endpoint.address.ip) }
                if let network = rule.sources { trunks.append((name, network)) }
            case .mode(let mode): plan.mode = mode
            case .country(let code): countries.insert(code)
            case .geoip(let path): database = path
            case .blockList(let path): blockLists.append(path)
            case .ban(let span): first = span
            case .growth(let span): growth.append(span)
            case .allow(let network): allowed.append(network)
            case .packets(let count): plan.packets = count
            case .connections(let count): plan.connections = count
            case .cleanup(let isWanted): removesTable = isWanted
            }
        }
        spans = [first] + (growth.isEmpty ? Setting.defence.growth.standard : growth)
    }
}
