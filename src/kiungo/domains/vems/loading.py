"""Loads the documents' sample data; doing it again changes nothing."""

from kiungo.domains.vems import sample
from kiungo.domains.vems.contracting import ContractDesk
from kiungo.domains.vems.store import contracts
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit


def load_sample(desk: ContractDesk, unit: Unit, call: Call) -> None:
    """Write the sample's facility, vendors, lots, services, machines and contracts where they are not yet."""
    tenant = call.tenant
    if contracts.find_facility(unit, tenant, sample.FACILITY.fr_code) is None:
        desk.put_facility(unit, call, sample.FACILITY)
    known = contracts.master_items(unit, tenant)
    for item in (*sample.VENDORS, *sample.LOTS, *sample.SERVICES, *sample.EQUIPMENT):
        if item not in known:
            desk.put_master(unit, call, item)
    for contract in sample.CONTRACTS:
        if contracts.find_contract(unit, tenant, contract.contract_id) is None:
            desk.put(unit, call, contract)
