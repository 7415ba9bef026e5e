"""Messages over HTTP: the list, what was read, deliveries, and who wants none."""

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
