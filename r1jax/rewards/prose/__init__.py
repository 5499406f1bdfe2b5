"""The prose of a text: what is language in it, word by word, and whose.

  letters    each letter in one form, and its script
  blocks     formulas, code and markup, taken out
  names      what mathematics and programs call things, no words as long as they are few
  speech     the language that formulas and code hold, kept
  words      sentences, and their words
  languages  the language of a text, and of each word

All take time linear in the text, whatever the text.
"""
