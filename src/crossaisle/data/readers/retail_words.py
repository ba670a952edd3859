"""The shorthand of the till, spelled out, so that a language model can read it. Imports: nothing of its own room."""

from __future__ import annotations

__all__ = ["SHORTHAND"]

# fmt: off
SHORTHAND = {
    "ACC": "Accessories", "APPLS": "Apples", "BABYFOOD": "Baby Food", "BEERALEMALT": "Beer Ale Malt", "BEVERAG": "Beverages",
    "BF": "Beef", "BG": "Bag", "BKD": "Baked", "BN": "Beans", "BRD": "Breaded", "BRKFST": "Breakfast", "BTL": "Bottle", "BTR": "Butter",
    "CAR": "Carbonated", "CARB": "Carbonated", "CATFD": "Cat Food", "CHICK": "Chicken", "CHIX": "Chicken", "CHOC": "Chocolate",
    "CHOCOCLATE": "Chocolate", "CKYS": "Cookies", "CLEANG": "Cleaning", "CND": "Canned", "CNDY": "Candy", "CNTRL": "Control",
    "CONC": "Concentrate", "CONTAINR": "Container", "CRBNTD": "Carbonated", "CRKR": "Crackers", "CRMD": "Creamed", "CRYSTL": "Crystal",
    "CTLRYTBLCLTHSTTHPKSST": "Cutlery Tablecloths Toothpicks", "DAN": "Danish", "DISPOSIBLE": "Disposable", "DL": "Deli", "DNR": "Dinner",
    "DNRS": "Dinners", "DOGFD": "Dog Food", "DPS": "Dips", "DRNK": "Drink", "DRNKING": "Drinking", "DRNKNG": "Drinking",
    "DRNKS": "Drinks", "DRP": "Drops", "DRSNG": "Dressing", "DSH": "Dish", "ENTREES": "Entrees", "FD": "Food", "FEM": "Feminine",
    "FLVR": "Flavored", "FLVRD": "Flavored", "FRD": "Fried", "FRE": "Fresh", "FRZ": "Frozen", "FRZN": "Frozen", "FS": "French Style",
    "GDS": "Goods", "GM": "General Merchandise", "GNGR": "Ginger", "GR": "Grocery", "GRND": "Ground", "HANDKE": "Handkerchiefs",
    "HBC": "Health & Beauty Care", "HYGN": "Hygiene", "ICECREAM": "Ice Cream", "INSTORE": "In-Store", "IQF": "Individually Quick Frozen",
    "IWS": "Individually Wrapped Slice", "JCE": "Juice", "LIQS": "Liquids", "LNCHMT": "Lunchmeat", "LOZNG": "Lozenges", "LSS": "Less",
    "MACH": "Machine", "MEMORABLILIA": "Memorabilia", "MISC": "Miscellaneous", "MIXS": "Mixes", "MLK": "Milk", "MLT": "Multi",
    "MNERAL": "Mineral", "MNRL": "Mineral", "MX": "Mix", "MXS": "Mixes", "NDAIRY": "Non-Dairy", "OJ": "Orange Juice", "PAC": "Pack",
    "PCK": "Pack", "PCKGD": "Packaged", "PK": "Pack", "PKG": "Packaged", "PKGD": "Packaged", "PKLD": "Pickled", "PLSTC": "Plastic",
    "PNCH": "Punch", "PNT": "Peanut", "PPK": "Prepacked", "PREM": "Premium", "PREPORTND": "Preportioned", "PRPCK": "Prepacked",
    "PRSLC": "Presliced", "PWDR": "Powder", "PWDRS": "Powders", "REFRGRATD": "Refrigerated", "REFRIG": "Refrigerated", "REG": "Regular",
    "RTS": "Ready to Serve", "RW": "Random Weight", "SAL": "Salads", "SALD": "Salad", "SANDWIC": "Sandwiches",
    "SAUCESSALSAPICANTEE": "Sauces Salsa Picante", "SAUS": "Sausage", "SFT": "Soft", "SGL": "Single", "SHERBTS": "Sherbets",
    "SNDWCH": "Sandwich", "SNGL": "Single", "SNKS": "Snacks", "SOD": "Soda", "SPEC": "Specialty", "SPECILATY": "Specialty",
    "SPLY": "Supplies", "SPRD": "Spread", "SRV": "Serve", "SS": "Single Serve", "STK": "Stick", "SUP": "Super", "SUPPPLIES": "Supplies",
    "SV": "Serve", "SW": "Sweet", "SWEETNERS": "Sweeteners", "SYRP": "Syrup", "THN": "Than", "TISS": "Tissue", "TORT": "Tortilla",
    "TRSH": "Trash", "VAC": "Vacuum", "VEG": "Vegetable", "VEND": "Vending", "WAT": "Water", "WATE": "Water", "WHL": "Whole",
    "WHLSM": "Wholesome", "WT": "Weight", "WTR": "Water", "XPCTRNT": "Expectorant",
}
# fmt: on
"""Word of the till -> what it stands for."""
