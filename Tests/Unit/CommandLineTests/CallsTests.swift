import Messages
import Sys
import Testing

@testable import rempart

@Suite struct CallsTests {
    @Test("calls have the fixed JSON shape, and a table told from now")
    func calls() throws {
        let row = CallRow(
            account: "1001", direction: .made, peer: "+33123456789", isAnswered: true,
            isAbroad: true, since: .seconds(1000),
            asterisk: try #require(SocketAddress("198.19.0.10:5060")),
            phone: try #require(SocketAddress("198.18.1.1:5060")), callID: "a@b")
        #expect(
            Calls.json([row]).text
                == #"[{"account":"1001","direction":"out","peer":"+33123456789","answered":true,"#
                + #""abroad":true,"since":1000,"asterisk":"198.19.0.10:5060","#
                + #""phone":"198.18.1.1:5060","callID":"a@b","phones":1}]"#)
        #expect(Calls.text([row], now: .seconds(1060)).contains("+33123456789 (abroad)"))
        var ringing = row
        ringing.phones = 3
        #expect(Calls.text([ringing], now: .seconds(1060)).contains("1m ago  3 phones  198.19"))
        #expect(Calls.json([ringing]).text.contains(#""phone":"3 phones","callID""#))
        #expect(Calls.text([], now: .seconds(0)) == "No call is under way.")
    }
}
