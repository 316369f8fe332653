local xml = require "sm.xml"

describe("sm.xml", function()
  it("makes a table of every element", function()
    assert.same({
      name = "ListBucketResult", attributes = { xmlns = "http://s3.amazonaws.com/doc/2006-03-01/" },
      { name = "Name", text = "bucket" },
      { name = "Contents", { name = "Key", text = " a&b\n" }, { name = "Size", text = "" } },
      { name = "Grantee", prefix = "s3", text = "", attributes = { ["xsi:type"] = "Group" } },
    }, (xml.parse [[<?xml version="1.0" encoding="UTF-8"?>
      <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
        <Name>bucket</Name>
        <Contents><Key> a&amp;b&#10;</Key><Size/></Contents>
        <s3:Grantee xsi:type="Group"></s3:Grantee>
      </ListBucketResult>]]))
  end)

  it("keeps white space in an element without children, and text between children", function()
    assert.equal("  \n ", xml.parse("<a>  \n </a>").text)
    assert.equal("x  y", xml.parse("<a>x <b/> y</a>").text)
    assert.is_nil(xml.parse("<a> <b/> </a>").text)
  end)

  it("reads other encodings into UTF-8", function()
    assert.equal("é", xml.parse('<?xml version="1.0" encoding="ISO-8859-1"?><a>\xe9</a>').text)
  end)

  it("says where the XML ends to be any", function()
    for text, code in pairs {
      [""] = "invalid", ["<a>"] = "invalid", ["<a/><b/>"] = "invalid", ["<a>\0</a>"] = "invalid", ["no"] = "invalid",
      ["<!DOCTYPE html><html/>"] = "refused", [("<a>"):rep(300)] = "limit", ["<a b='1' b='2'/>"] = "invalid",
    } do
      local root, message, got = xml.parse(text)
      assert.is_nil(root)
      assert.equal(code, got, text)
      assert.truthy(message:find "line %d+, column %d+", message)
    end
  end)

  it("does not grow by entities", function()
    local laughs = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><a>&b;</a>'
    assert.equal("refused", select(3, xml.parse(laughs)))
  end)

  it("takes a large answer in a moment", function()
    local row = "<Contents><Key>data/part-00001.parquet</Key><Size>12345</Size><ETag>&quot;abc&quot;</ETag></Contents>"
    local root = assert(xml.parse("<r>" .. row:rep(20000) .. "</r>"))
    assert.equal(20000, #root)
    assert.equal('"abc"', root[20000][3].text)
  end)
end)
