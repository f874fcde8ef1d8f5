# What both generators of manual pages need: text as mdoc(7) wants it.

# Literal text: the backslash, the hyphen (else a dash) and what is not ASCII.
function escaped(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    gsub(/…/, "\\[u2026]", text)
    gsub(/→/, "\\(->", text)
    gsub(/·/, "\\(pc", text)
    return text
}

# A paragraph: each sentence on a line of its own, none longer than 78 bytes if words allow.
function put_text(text,    words, count, i, line) {
    count = split(text, words, /[ \n]+/)
    line = ""
    for (i = 1; i <= count; i++) {
        if (words[i] == "")
            continue
        if (line != "" && length(line) + length(words[i]) >= 78) {
            put_line(line)
            line = ""
        }
        line = line == "" ? words[i] : line " " words[i]
        if (words[i] ~ /[.?!][)"]*$/ || words[i] ~ /[.?!][)"]*\\f[RP][)"]*$/) {
            put_line(line)
            line = ""
        }
    }
    if (line != "")
        put_line(line)
}

# A dot or quote at the start of a line would make it a request.
function put_line(line) {
    print (line ~ /^[.']/ ? "\\&" : "") line
}

# The head of a list's item: words that are names of macros must not act.
function put_item(text,    words, count, i, line) {
    count = split(text, words, / +/)
    for (i = 1; i <= count; i++)
        line = line " " (words[i] ~ /^[A-Z%][A-Za-z0-9]?[a-z0-9]?$/ ? "\\&" : "") words[i]
    print ".It" line
}
