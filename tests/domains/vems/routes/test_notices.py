"""Messages over HTTP: the list, what was read, deliveries, and who wants none."""

from kiungo.kernel.database import Unit
from tests.domains.vems.routes.conftest import Office
from tests.domains.vems.settlement.world import FACILITY, VENDOR

PHONE = {"channel": "sms", "address": "+254712345678"}


def paid(office: Office) -> str:
    office.world.fund("100000.00")
    number = office.approved()
    office.world.settle()
    return number


def test_the_list_is_filtered_and_read_once(office: Office) -> None:
    number = paid(office)
    everything = office.get("/notifications", bookingNo=number, limit=4)
    rest = office.get("/notifications", bookingNo=number, limit=4, cursor=everything["next"])
    assert len(everything["data"]) + len(rest["data"]) == 6
    (unread,) = office.get("/notifications", recipient=VENDOR, channel="in_app", unread="true")["data"]
    assert (unread["template"], unread["deliveryStatus"], unread["language"]) == ("paid", "sent", "sw")
    read = office.post(f"/notifications/{unread['notificationId']}/read")["data"]
    assert read["readAt"]
    assert office.get("/notifications", recipient=VENDOR, channel="in_app", unread="true")["data"] == []
    sms = office.get("/notifications", channel="sms")["data"][0]["notificationId"]
    office.post(f"/notifications/{sms}/read", status=404)


def test_after_an_opt_out_nothing_is_sent_to_the_address(office: Office) -> None:
    office.post("/opt-outs", PHONE)
    office.post("/opt-outs", PHONE)
    assert [one["address"] for one in office.get("/opt-outs")["data"]] == [PHONE["address"]]
    paid(office)
    assert {one["deliveryStatus"] for one in office.get("/notifications", channel="sms")["data"]} == {"opted_out"}
    office.post("/opt-outs/withdraw", PHONE)
    assert office.get("/opt-outs")["data"] == []
    office.post("/opt-outs", {"channel": "in_app", "address": "x"}, status=422)
    office.post("/opt-outs", {"channel": "sms", "address": "0712"}, status=422)


def test_every_opt_out_is_found_however_many_there_are(office: Office) -> None:
    def fill(unit: Unit) -> None:
        unit.many(
            "INSERT INTO notification_opt_out (tn, channel, address, since_us) VALUES (1, ?, ?, ?)",
            [("sms", f"+2547{number:08}", 10**9 + number) for number in range(1_050)] + [("email", "a@x.ke", 1)],
        )

    office.world.database.write(fill)
    seen, cursor = [], None
    while True:
        page = office.get("/opt-outs", limit=200, **({"cursor": cursor} if cursor else {}))
        seen += [(one["channel"], one["address"]) for one in page["data"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 1_051
    assert seen == sorted(seen)
    assert [one["address"] for one in office.get("/opt-outs", channel="email")["data"]] == ["a@x.ke"]
    assert len(office.get("/opt-outs", address="+254700000003")["data"]) == 1
    office.post("/opt-outs", {"channel": "email", "address": "pay@example.org"})
    office.person("vendor", "payee", bindings={"payee": VENDOR})
    own = office.get("/opt-outs", "vendor")["data"]
    assert [one["address"] for one in own] == ["pay@example.org"], "its own, older or newer than a thousand others"
    assert office.get("/opt-outs", "vendor", address="+254700000003")["data"] == []
    for wrong in ("x", "sms_", "fax_1", "sms_" + "9" * 300):
        office.get("/opt-outs", cursor=wrong, status=422)
    office.get("/opt-outs", limit=0, status=422)


def test_a_payee_reads_its_own_messages_and_speaks_for_its_own_address(office: Office) -> None:
    paid(office)
    office.person("vendor", "payee", bindings={"payee": VENDOR})
    own = office.get("/notifications", "vendor", recipient=FACILITY)["data"]
    assert {one["recipient"] for one in own} == {VENDOR}
    other = office.get("/notifications", recipient=FACILITY, channel="in_app")["data"][0]["notificationId"]
    office.post(f"/notifications/{other}/read", who="vendor", status=404)
    office.post("/opt-outs", PHONE, who="vendor")
    office.post("/opt-outs", {**PHONE, "address": "+254700000999"}, who="vendor", status=404)
    assert len(office.get("/opt-outs", "vendor")["data"]) == 1
