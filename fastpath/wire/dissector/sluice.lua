-- Takes apart what an exchange of Sluice sends and receives: order entry over UDP (docs/WIRE.md), and the messages of its
-- feed in MoldUDP64 (docs/FEED.md). For Wireshark and tshark from 4.0 on:
--
--     tshark -X lua_script:fastpath/wire/dissector/sluice.lua -r orders.pcapng -Y 'sluice.reason'
--
-- Nothing of a message is written down here: where its fields are is read from the SBE schemas when the script is loaded,
-- from ../schema, or the folder that the environment's SLUICE_SCHEMA names. Packets are told by their first bytes, so
-- that no port need be named; where that fails, "Decode As" has both protocols. A MAC is shown, not checked: its key is
-- nobody's but the session's and the exchange's. Wireshark does not load scripts when it runs as root.

local HEADER = 8 -- of a message
local MAC = 8
local FIRST_NUMBERED = 16 -- template from which on a message takes a number
local NANOS = 1000000000

-- The schemas --------------------------------------------------------------------------------------------------------

local SIZES = { char = 1, int8 = 1, uint8 = 1, int16 = 2, uint16 = 2, int32 = 4, uint32 = 4, int64 = 8, uint64 = 8 }

local function folder()
    local named = os.getenv("SLUICE_SCHEMA")
    if named then
        return named .. "/"
    end
    local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
    return here .. "../schema/"
end

local function attributes(text)
    local found = {}
    for name, value in text:gmatch('([%w:]+)="(.-)"') do
        found[name] = value
    end
    return found
end

-- A schema's own words: tags in their order, with what stands in them.
local function tags(path)
    local file, why = io.open(path, "r")
    if not file then
        error("the schema cannot be read: " .. why .. "; SLUICE_SCHEMA may name its folder")
    end
    local text = file:read("*a"):gsub("<!%-%-.-%-%->", "")
    file:close()
    return text:gmatch("<(/?)([%w:]+)([^<>]-)(/?)>([^<]*)")
end

-- { id, types by name, messages by template id }. A message has fields, and at most one group of them.
local function read_schema(path)
    local schema = { types = {}, messages = {} }
    local kind, message, place, in_composite
    for close, tag, text, ends, value in tags(path) do
        local has = attributes(text)
        local is_open = close == "" and ends == ""
        if tag == "sbe:messageSchema" and is_open then
            schema.id = tonumber(has.id)
        elseif tag == "composite" then
            in_composite = is_open
        elseif tag == "type" and not in_composite then
            schema.types[has.name] = { primitive = has.primitiveType, length = tonumber(has.length or 1) }
        elseif (tag == "enum" or tag == "set") and is_open then
            kind = { primitive = has.encodingType, length = 1, [tag] = {} }
            schema.types[has.name] = kind
        elseif tag == "validValue" and close == "" then
            kind.enum[tonumber(value)] = has.name
        elseif tag == "choice" and close == "" then
            kind.set[tonumber(value)] = has.name
        elseif tag == "sbe:message" and is_open then
            message = { name = has.name, length = tonumber(has.blockLength), fields = {} }
            place = message
            schema.messages[tonumber(has.id)] = message
        elseif tag == "group" and is_open then
            message.group = { name = has.name, length = tonumber(has.blockLength), fields = {} }
            place = message.group
        elseif tag == "group" then
            place = message
        elseif tag == "field" then
            table.insert(place.fields, { name = has.name, type = has.type, offset = tonumber(has.offset) })
        end
    end
    return schema
end

-- What is shown of them ----------------------------------------------------------------------------------------------

local MAKERS = {
    int8 = ProtoField.int8, uint8 = ProtoField.uint8, int16 = ProtoField.int16, uint16 = ProtoField.uint16,
    int32 = ProtoField.int32, uint32 = ProtoField.uint32, int64 = ProtoField.int64, uint64 = ProtoField.uint64,
}

-- engineSeq: engine_seq
local function filter_name(name)
    return "sluice." .. name:gsub("%u", function(letter) return "_" .. letter:lower() end)
end

-- The fields of both protocols: a name means the same in each message, so it is one filter.
local shown = {}

local function show(name, kind)
    local key = name .. " " .. kind.primitive .. " " .. tostring(kind.enum)
    if not shown[key] then
        local filter = filter_name(name)
        if kind.primitive == "char" then
            shown[key] = ProtoField.string(filter, name)
        else
            shown[key] = MAKERS[kind.primitive](filter, name, base.DEC, kind.enum)
        end
    end
    return shown[key]
end

local function prepare(schema)
    for _, message in pairs(schema.messages) do
        for _, place in ipairs({ message, message.group }) do
            for _, field in ipairs(place.fields) do
                field.kind = assert(schema.types[field.type], "the schema has no type " .. field.type)
                field.size = SIZES[field.kind.primitive] * field.kind.length
                field.shown = show(field.name, field.kind)
                field.is_reserved = field.name:match("^reserved") ~= nil
                field.is_time = field.type == "Nanoseconds"
            end
        end
    end
    return schema
end

local orders = prepare(read_schema(folder() .. "order-entry.xml"))
local market_data = prepare(read_schema(folder() .. "market-data.xml"))

local sluice = Proto("sluice", "Sluice order entry")
local feed = Proto("sluice_feed", "Sluice market data")

local own = {
    message = ProtoField.string("sluice.message", "Message"),
    number = ProtoField.uint64("sluice.number", "Number", base.DEC),
    mac = ProtoField.bytes("sluice.mac", "MAC"),
    mold_session = ProtoField.string("sluice.feed.session", "Feed session"),
    mold_number = ProtoField.uint64("sluice.feed.number", "Number of the first message", base.DEC),
    mold_count = ProtoField.uint16("sluice.feed.count", "Messages", base.DEC),
}

local fields = {}
for _, field in pairs(shown) do
    table.insert(fields, field)
end
for _, field in pairs(own) do
    table.insert(fields, field)
end
sluice.fields = fields

local wrong = ProtoExpert.new("sluice.wrong", "Not as the schema says", expert.group.MALFORMED, expert.severity.ERROR)
local strange = ProtoExpert.new("sluice.strange", "Unknown to this schema", expert.group.UNDECODED, expert.severity.WARN)
sluice.experts = { wrong, strange }

-- Taking apart -------------------------------------------------------------------------------------------------------

local function time_text(value)
    local seconds, rest = (value / NANOS):tonumber(), (value % NANOS):tonumber()
    return string.format("%s.%09d UTC", os.date("!%Y-%m-%d %H:%M:%S", seconds), rest)
end

local function flags_text(kind, value)
    local names = {}
    for bit_number, name in pairs(kind.set) do
        if bit.band(value, bit.lshift(1, bit_number)) ~= 0 then
            table.insert(names, name)
        end
    end
    return table.concat(names, ", ")
end

local function take_field(tree, range, field)
    local bytes = range(field.offset, field.size)
    local item = tree:add_le(field.shown, bytes)
    if field.is_time and bytes:le_uint64() ~= UInt64(0) then
        item:append_text(" (" .. time_text(bytes:le_uint64()) .. ")")
    elseif field.kind.set then
        item:append_text(" (" .. flags_text(field.kind, bytes:le_uint()) .. ")")
    elseif field.is_reserved then
        item:set_hidden(true)
    elseif field.kind.enum and not field.kind.enum[bytes:le_uint()] then
        item:add_proto_expert_info(strange, "a value that the schema does not know")
    end
end

-- A newer sender's block is longer: what is known of it comes first.
local function take_block(tree, range, place)
    for _, field in ipairs(place.fields) do
        take_field(tree, range, field)
    end
end

local function refuse(tree, range, why)
    tree:add_proto_expert_info(wrong, why)
    return nil
end

-- The entries behind a block. Gives where they end, and how many there are.
local function take_group(tree, range, at, group)
    if range:len() < at + HEADER then
        return refuse(tree, range, "there is no room for the size of the group")
    end
    local length, count = range(at, 4):le_uint(), range(at + 4, 4):le_uint()
    at = at + HEADER
    if length < group.length or count > (range:len() - at) / math.max(length, 1) then
        return refuse(tree, range, string.format("there is no room for %d entries of %d bytes", count, length))
    end
    for entry = 1, count do
        local part = range(at, length)
        take_block(tree:add(part, group.name .. " " .. entry), part, group)
        at = at + length
    end
    return at, count
end

-- One message at the beginning of a range. Gives its bytes, name, template and how many numbers it takes; nothing of one
-- that cannot be taken apart, behind which nothing can be.
local function take_message(tree, range, schema)
    if range:len() < HEADER then
        return refuse(tree, range, "there is no room for the header of a message")
    end
    local length, template = range(0, 2):le_uint(), range(2, 2):le_uint()
    local message = schema.messages[template]
    if range(4, 2):le_uint() ~= schema.id then
        return refuse(tree, range, "another schema's message")
    end
    if range:len() < HEADER + length then
        return refuse(tree, range, string.format("there is no room for the block of template %d", template))
    end
    if not message then
        local item = tree:add(range(0, HEADER + length), string.format("template %d", template))
        item:add_proto_expert_info(strange, "a template that the schema does not know")
        return HEADER + length, tostring(template), template, 1
    end
    if length < message.length then
        return refuse(tree, range, string.format("%s has a block of %d bytes", message.name, length))
    end
    local item = tree:add(own.message, range(0, HEADER + length), message.name)
    take_block(item, range(HEADER, length), message)
    local bytes, numbers = HEADER + length, 1
    if message.group then
        bytes, numbers = take_group(item, range, bytes, message.group)
        if not bytes then
            return nil
        end
        item:set_len(bytes)
    end
    return bytes, message.name, template, numbers, item
end

local function headline(pinfo, protocol, names, rest)
    pinfo.cols.protocol = protocol
    local said = #names == 0 and "heartbeat" or table.concat(names, ", ")
    pinfo.cols.info = said .. rest
end

-- Context │ messages │ MAC
function sluice.dissector(buffer, pinfo, tree)
    if buffer:len() < 2 * HEADER + MAC then
        return 0
    end
    local top = tree:add(sluice, buffer())
    local last = buffer:len() - MAC
    local names, at, number, rest = {}, 0, nil, ""
    while at < last do
        local bytes, name, template, numbers, item = take_message(top, buffer(at, last - at), orders)
        if not bytes then
            table.insert(names, "malformed")
            break
        end
        if at == 0 then
            local block = buffer(HEADER)
            number = block(8, 8):le_uint64()
            rest = string.format("  [session %d, epoch %d, from %s]", block(0, 4):le_uint(), block(4, 4):le_uint(), number)
        else
            table.insert(names, name)
            if template >= FIRST_NUMBERED and number ~= UInt64(0) and numbers > 0 then
                if item then
                    item:add(own.number, number):set_generated()
                end
                number = number + UInt64(numbers)
            end
        end
        at = at + bytes
    end
    top:add(own.mac, buffer(last, MAC))
    headline(pinfo, "Sluice", names, rest)
    return buffer:len()
end

local MOLD_HEADER = 20
local END_OF_SESSION = 0xFFFF

-- MoldUDP64 1.00: session, number of the first message, how many; each with its length. Big-endian, what it carries is not.
function feed.dissector(buffer, pinfo, tree)
    if buffer:len() < MOLD_HEADER then
        return 0
    end
    local top = tree:add(feed, buffer())
    top:add(own.mold_session, buffer(0, 10))
    top:add(own.mold_number, buffer(10, 8))
    top:add(own.mold_count, buffer(18, 2))
    local number, count = buffer(10, 8):uint64(), buffer(18, 2):uint()
    local names, at = {}, MOLD_HEADER
    for message = 1, count == END_OF_SESSION and 0 or count do
        local room = buffer:len() - at
        local length = room >= 2 and buffer(at, 2):uint() or 0
        if room < 2 + length or length == 0 then
            refuse(top, buffer(), "there is no room for message " .. message)
            table.insert(names, "malformed")
            break
        end
        local _, name, _, _, item = take_message(top, buffer(at + 2, length), market_data)
        if item then
            item:add(own.number, number + UInt64(message - 1)):set_generated()
        end
        table.insert(names, name or "malformed")
        at = at + 2 + length
    end
    if count == END_OF_SESSION then
        names = { "end of session" }
    end
    headline(pinfo, "Sluice feed", names, string.format("  [session %s, from %s]", buffer(0, 10):string(), number))
    return buffer:len()
end

-- Which packets -------------------------------------------------------------------------------------------------------

local function opens_with(buffer, at, template, schema)
    return buffer:len() >= at + HEADER
        and buffer(at + 2, 2):le_uint() == template
        and buffer(at + 4, 2):le_uint() == schema.id
end

local CONTEXT = 1

sluice:register_heuristic("udp", function(buffer, pinfo, tree)
    local length = orders.messages[CONTEXT].length
    if not opens_with(buffer, 0, CONTEXT, orders) or buffer(0, 2):le_uint() < length or buffer:len() < HEADER + length + MAC then
        return false
    end
    sluice.dissector(buffer, pinfo, tree)
    return true
end)

feed:register_heuristic("udp", function(buffer, pinfo, tree)
    if buffer:len() < MOLD_HEADER or not buffer(0, 10):string():match("^%d%d%d%d%d%d%d%d%d%d$") then
        return false
    end
    local count = buffer(18, 2):uint()
    local is_empty = count == 0 or count == END_OF_SESSION
    local first = MOLD_HEADER + 2
    if is_empty and buffer:len() ~= MOLD_HEADER
        or not is_empty and not (buffer:len() >= first + HEADER and buffer(first + 4, 2):le_uint() == market_data.id) then
        return false
    end
    feed.dissector(buffer, pinfo, tree)
    return true
end)

local by_port = DissectorTable.get("udp.port")
by_port:add_for_decode_as(sluice)
by_port:add_for_decode_as(feed)
