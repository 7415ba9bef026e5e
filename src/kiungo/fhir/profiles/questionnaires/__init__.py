"""QuestionnaireResponse against its Questionnaire, and a Questionnaire against itself.

responses   items, nesting, required, repeats, order     answers    types, limits, formats
enabling    enableWhen                                   options    permitted values
forms       a Questionnaire's own rules
"""
