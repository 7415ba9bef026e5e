"""The settlement's error codes."""

from kiungo.base.errors import Conflict, Forbidden, Incorrect, NotFound, define

SETTLEMENT_NOT_FOUND = define("SETTLEMENT_NOT_FOUND", NotFound, "No settlement of this booking.")
RAIL_NOT_FOUND = define("RAIL_NOT_FOUND", NotFound, "No rail of this name is connected.")
LEG_NOT_FOUND = define("LEG_NOT_FOUND", NotFound, "No payment leg has this reference.")
LEG_STATE = define("LEG_STATE", Conflict, "The payment leg is not in a state that allows this step.")
PAYEE_NOT_FOUND = define("PAYEE_NOT_FOUND", NotFound, "No payee of this id.")
PAYEE_DETAILS_WRONG = define("PAYEE_DETAILS_WRONG", Incorrect, "Payment details are incomplete or impossible.")
PAYEE_DETAILS_STATE = define("PAYEE_DETAILS_STATE", Conflict, "The payment details are not waiting for a decision.")
TWO_PERSONS_NEEDED = define("TWO_PERSONS_NEEDED", Forbidden, "This step needs a second person.")
PAYABLE_WRONG = define("PAYABLE_WRONG", Incorrect, "What is to be settled contradicts itself.")
FUNDING_USED = define("FUNDING_USED", Conflict, "The key of this funding counts for other money already.")
STATEMENT_WRONG = define("STATEMENT_WRONG", Incorrect, "A statement does not add up, or changes an earlier one.")
STATEMENT_LINE_NOT_FOUND = define("STATEMENT_LINE_NOT_FOUND", NotFound, "No statement line of this id.")
STATEMENT_LINE_USED = define("STATEMENT_LINE_USED", Conflict, "The statement line, or the payment, is matched already.")
